"""Which words of a text mean which column of the table."""

import re
from collections import Counter

from archer.report.claims.names import NOT_ACRONYMS, Alias, spelling
from archer.report.claims.table import AVERAGE, ScoreTable, words

# Words too common to mean a column by themselves; they count beside a task word or in a list.
COMMON = {"context", "copy", "task", "test", "accuracy", "in", "set", "long", "short", "state"}


def task_aliases(table: ScoreTable) -> list[Alias]:
    """All ways to write each column; bare common words only where they cannot be prose.

    Tasks that the table lacks are named too: "Context Recall" is not the one Recall it has.
    """
    named = {task: words(task) for task in (*table.tasks, *table.absent) if task != AVERAGE}
    seen = Counter(w for parts in named.values() for w in set(parts))
    found: dict[str, Alias] = {}

    def add(pattern: str, task: str, exact: bool = False) -> None:
        found.setdefault(pattern, Alias(pattern, (task,), exact))

    for task, parts in named.items():
        add(re.escape(task), task)
        if len(task) > 2:
            add(_loose(parts), task)
        for word in parts:
            if seen[word] == 1 and len(word) > 2 and word not in COMMON:
                add(spelling(word), task)
            elif seen[word] == 1 and word in COMMON and len(parts) > 1:
                add(rf"(?<=\bon )(?:{spelling(word)})", task)
                add(rf"(?:{spelling(word)})(?=\s+(?:tasks?|recall)\b)", task)
        if len(parts) >= 2:
            letters = "".join(w[0] for w in parts).upper()
            if letters not in NOT_ACRONYMS:
                add(letters, task, True)
        if parts == ("context", "recall") or parts == ("in", "context", "recall"):
            add("ICR", task, True)
            add(r"in[- ]context(?:[- ]recall)?(?: learning)?", task)
        if parts[-1] == "copy":
            add(r"cop(?:y|ying)\b(?=\s+(?:tasks?|score|accuracy))", task)
            add(r"copying", task)
    return sorted(found.values(), key=lambda alias: -len(alias.pattern))


def _loose(parts: tuple[str, ...]) -> str:
    """Fuzzy Recall may be written fuzzy in-context recall; Context Recall, in-context recall."""
    inner = [spelling(p) for p in parts]
    if parts[-1] == "recall":
        inner[-1] = r"(?:in[- ]context[- ])?recall"
        if parts[0] == "context":
            return r"(?:in[- ])?context[- ]*recall"
    return r"[\s_\-]*".join(inner)


AVERAGE_WORDS = (
    r"(?:(?:over)?all|six|global|macro|plain|mad|aggregate|simple|unweighted)?[- ]?"
    r"(?:six[- ]task )?"
    r"(?:on average|average[ds]?|averaging|avg\.?|mean|overall)"
    r"(?: (?:score|accuracy|performance|result|value)s?)?"
    r"(?: (?:over|across|of) (?:all |the )*(?:six |6 )?(?:tasks|columns|benchmarks))?"
)


def task_group(table: ScoreTable, adjective: str) -> tuple[str, ...] | None:
    """Columns meant by "<adjective> tasks": those with that word in their name."""
    wanted = re.findall(r"[a-z0-9]+", adjective.lower())
    if not wanted or wanted in (["mad"], ["benchmark"]):
        return table.tasks
    pattern = re.compile(r"\b" + spelling(wanted[-1]))
    chosen = tuple(t for t in table.tasks if pattern.search(" ".join(words(t))))
    return chosen if len(chosen) > 1 and len(wanted) == 1 else None
