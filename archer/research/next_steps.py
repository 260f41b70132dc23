"""What a search report advises to do next: plans, not measurements."""

import math

from archer.mad.settings import COLUMNS
from archer.research.overview import Overview
from archer.research.stages import BASELINES
from archer.research.words import by_kind


def steps(overview: Overview) -> list[str]:
    """What to do next; plans, not measurements."""
    s = overview.session.settings
    said = []
    promoted = [e for e in overview.arm("search") if e.outcome == "promoted"]
    if overview.stage == "smoke":
        said.append(
            "Run with `--preset quick`: smoke tells rules that train from those that do not."
        )
    sure = [c.rule for c in overview.claims if c.verdict == "better" and c.against in BASELINES]
    for rule in dict.fromkeys(sure):
        said.append(
            f"Promote `{overview.name(rule)}` with `archer research promote` and bench it on the "
            "stage above."
        )
    if promoted and not sure:
        said.append("Repeat the comparison of the promoted rules with more `--claim-seeds`.")
    table = by_kind(overview)
    good = table[(table["measured"] > 0) & (table["scored"] >= 2)]
    if len(good) and overview.stage != "smoke":
        names = ", ".join(f"`{name}`" for name in good["change"].head(3))
        said.append(f"Changes that helped on average and deserve more candidates: {names}.")
    if not s.control:
        said.append("Run with `--control random`: without it nothing says what luck alone finds.")
    if overview.stage != "smoke":
        lines = _behind(overview)
        said += [lines] if lines else []
    return said


def _behind(overview: Overview) -> str:
    """The task on which the highest score is furthest behind what some rule reaches there."""
    if not overview.best:
        return ""
    top, means = overview.best[0], _means(overview)
    best = {task: max(rules, key=lambda rule: rules[rule]) for task, rules in means.items()}
    task = max(best, key=lambda t: means[t][best[t]] - means[t].get(top.key, math.inf))
    if best[task] == top.key:
        return ""
    return (
        f"`{top.name}` is furthest behind on {COLUMNS[task]}: {means[task][top.key]:.3f} on "
        f"validation data, where `{overview.name(best[task])}` has {means[task][best[task]]:.3f}."
    )


def _means(overview: Overview) -> dict[str, dict[str, float]]:
    """Validation accuracy over the seeds of the search by task and rule of the search."""
    found: dict[str, dict[str, float]] = {}
    for key, tasks in overview.by_task.items():
        entry = overview.standings[key].entry
        for task, by_seed in tasks.items():
            values = [v for seed, v in by_seed.items() if seed < overview.session.settings.seeds]
            if (entry is None or entry.arm == "search") and not any(map(math.isnan, values)):
                found.setdefault(task, {})[key] = sum(values) / len(values)
    return found
