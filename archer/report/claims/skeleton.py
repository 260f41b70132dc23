"""A sentence with its names and numbers lifted out.

    "Momentum trails delta by 1.2 pp on Compress"  becomes  "M0 trails M1 by N0 on T0"

so that the grammar is written once, over short patterns, for any table. M: models, T: tasks
(Average among them), N: figures, R: ranges. All other text is lower case.
"""

import re
from functools import partial

from archer.report.claims import deviations, expenses, paired, picks, significance
from archer.report.claims.groups import lift_groups, lift_nobody
from archer.report.claims.joined import merge_mentions
from archer.report.claims.masked import mask
from archer.report.claims.mentions import Mention, Skeleton, add_models, add_tasks
from archer.report.claims.names import Alias, model_aliases
from archer.report.claims.numbers import (
    PLAIN_PERCENT,
    count_words,
    in_percent,
    is_bare_number,
    lift_numbers,
)
from archer.report.claims.table import AVERAGE, ScoreTable
from archer.report.claims.task_names import AVERAGE_WORDS, task_aliases
from archer.report.claims.wording import plainly


class Reader:
    """Turns sentences into skeletons for one table."""

    def __init__(self, table: ScoreTable) -> None:
        self.table = table
        self._models = [(_compiled(a), a) for a in model_aliases(table)]
        self._tasks = [(_compiled(a), a) for a in task_aliases(table)]

    def read(self, sentence: str) -> Skeleton:
        """The skeleton of one sentence (or heading, or table cell)."""
        s = Skeleton(_normal(sentence))
        text = _names_first(self._tasks, self._models, s)
        s.lifted = text
        text = expenses.lift(self.table, text, s)
        paired.lift(self.table, text, s)
        text = significance.lift(self.table, text, s)
        text = deviations.lift(self.table, text, s)
        text, s.over = picks.lift(text, s.picks, self.table.details.many)
        text = mask(text) if not is_bare_number(text) else text
        text = text.lower() if not re.search(r"[MT]\d", text) else _lower(text)
        if self.table.percent:
            text = PLAIN_PERCENT.sub(r"\1 %", text)
        text = count_words(text)
        text = lift_numbers(text, s)
        if self.table.percent:
            s.figures = [in_percent(f) for f in s.figures]
            s.ranges = [(in_percent(a), in_percent(b)) for a, b in s.ranges]
        text = plainly(text)
        text = lift_nobody(self.table, text, s)
        text = lift_groups(self.table, text, s)
        text = re.sub(
            rf"\b{AVERAGE_WORDS}(?![\w])",
            lambda m: f" {add_tasks(s, Mention(((AVERAGE,),)))} ",
            text,
        )
        s.text = _tidy(text)
        merge_mentions(self.table, s)
        return s


def _compiled(alias: Alias) -> re.Pattern[str]:
    flags = 0 if alias.exact_case else re.IGNORECASE
    return re.compile(rf"(?<![\w.])(?:{alias.pattern})(?![\w])(?!\.\d)", flags)


def _normal(sentence: str) -> str:
    text = sentence.replace("\u00a0", " ").replace("\u2009", " ").replace("\u202f", " ")
    text = text.replace("’", "'").replace("‑", "-").replace("Δ", " Δ ").replace("->", " → ")
    text = text.replace("⟶", "→").replace("=>", "→").replace("∆", " Δ ").replace("`", "")
    text = re.sub(r"[*_]{2,}", "", text)
    text = re.sub(r"\|\s*Δ\s*\|", " Δ ", text)
    text = re.sub(r"(\d),(\d{3})\b", r"\1\2", text)
    text = re.sub(r"n't\b", " not", text)
    text = re.sub(r"\bstandard[- ](deviation|error)", r"\1", text, flags=re.IGNORECASE)
    return " ".join(text.split())


def _names_first(
    tasks: list[tuple[re.Pattern[str], Alias]],
    models: list[tuple[re.Pattern[str], Alias]],
    s: Skeleton,
) -> str:
    """Lift model and task names, the longest match first whatever its kind."""
    text = s.text
    spans: list[tuple[int, int, str, tuple[str, ...]]] = []
    for kind, entries in (("M", models), ("T", tasks)):
        for pattern, alias in entries:
            for m in pattern.finditer(text):
                if kind == "M" and _is_difference_word(text, m):
                    continue
                spans.append((m.start(), m.end(), kind, alias.names))
    spans.sort(key=lambda x: (-(x[1] - x[0]), len(x[3])))
    taken: list[tuple[int, int, str, tuple[str, ...]]] = []
    for span in spans:
        if all(span[1] <= t[0] or span[0] >= t[1] for t in taken):
            taken.append(span)
    out, at = [], 0
    for start, end, kind, names in sorted(taken):
        if kind == "M" and _is_part(text, start, end, names):
            out += [text[at:start], " unknowngroup "]
            at = end
            continue
        readings = tuple((n,) for n in names)
        label = (add_models if kind == "M" else add_tasks)(s, Mention(readings))
        out += [text[at:start], f" {label} "]
        at = end
    return " ".join(_bare_in_lists("".join(out) + text[at:], tasks, s).split())


_GONE = r"(?:no|non|without|w/?o|off|minus|sans|free|less|lacks?|lacking|missing|ablat\w+)"
_REMOVING = (
    r"(?:remov\w+|dropp?\w*|disabl\w+|omit\w*|tak\w+ (?:out|away)|turn\w* off|switch\w* off|"
    r"delet\w+|absence|loss of|losing|leaving out|skipping|cutting|not using|does not have|[−–-])"
)


def _is_part(text: str, start: int, end: int, names: tuple[str, ...]) -> bool:
    """ "The gate helps", when the row is `no_gate`: what the row lacks, not the row."""
    if len(names) > 1 or not re.search(
        r"(?:^|[^a-z])(?:no|without|off|minus|wo)(?:$|[^a-z])", names[0]
    ):
        return False
    before, after = text[max(0, start - 40) : start], text[end : end + 12]
    return not (
        re.search(rf"\b{_GONE}\b", text[start:end].replace("_", " "), re.IGNORECASE)
        or re.search(rf"(?:\b|(?=[−–-])){_GONE}\b[^.;,]*$", before, re.IGNORECASE)
        or re.search(rf"{_REMOVING}[^.;,]*$", before, re.IGNORECASE)
        or re.match(rf"[\s-]*{_GONE}\b", after, re.IGNORECASE)
    )


def _bare_in_lists(text: str, tasks: list[tuple[re.Pattern[str], Alias]], s: Skeleton) -> str:
    """ "Fuzzy, Context and Noisy Recall": a common word counts as a name beside other names."""
    for name in dict.fromkeys(a.names[0] for _, a in tasks):
        first = re.match(r"[A-Za-z]+", name)
        if first is None or first[0].lower() not in ("context", "noisy", "copy", "fuzzy"):
            continue
        capital = rf"(?<=[a-z%\d,(↑↓] ){first[0].capitalize()}\b(?! [A-Z])"
        lift = partial(_lift_task, s, name)
        text = re.sub(capital, lift, text)
        word = rf"(?i:{first[0]})(?! [A-Za-z]*(?:length|window))"
        beside = (
            rf"(?:(?<=T\d , )|(?<=T\d and )|(?<=T\d / )|(?<=T\d, )){word}\b"
            rf"|\b{word}(?=\s*(?:,|/|and|,\s*and)\s+T\d)"
        )
        text = re.sub(beside, lift, " ".join(text.split()))
    return text


def _lift_task(s: Skeleton, name: str, _: re.Match[str]) -> str:
    return f" {add_tasks(s, Mention(((name,),)))} "


def _is_difference_word(text: str, match: re.Match[str]) -> bool:
    """ "a delta of +0.01", "deltas" speak of a difference; so does "momentum = 0.9" of a knob."""
    after, before = text[match.end() :], text[: match.start()]
    if match[0].lower() in ("delta", "the delta"):
        if re.match(
            r"\s*(?:of|between|in accuracy|to baseline)\b|\s*[:=]?\s*[+−-]\s?\d", after, re.I
        ):
            return True
        if not before.strip(" |*") and re.match(r"\s*vs\b", after):  # a header: "delta vs M"
            return bool(re.fullmatch(r"\s*vs\.?\s+\w+[\s|*]*", after))
        return bool(re.search(r"\b(?:a|an|with|column|[+-]?\d\S*)\s*$", before, re.I)) and bool(
            re.match(r"\s*(?:of|is|was|=)", after)
        )
    if match[0].lower() in ("small", "large", "big", "long", "short", "deep", "wide", "full"):
        return bool(
            re.match(r"\s*(?:\w+ )?(?:margin|gain|differ|drop|loss|gap|lead|effect)", after)
        )
    return bool(re.match(r"\s*(?:coefficient|=\s*0?\.\d+\s*[,;)]?\s*$|parameter|constant)", after))


def _lower(text: str) -> str:
    return re.sub(
        r"(?<!\w)([MT]\d+)(?!\w)|.", lambda m: m[1] or m[0].lower(), text, flags=re.DOTALL
    )


_SIZE = (
    r"(?:me(?:re|ager|agre|asly)|paltry|whopping|staggering|modest|respectable|healthy|hefty|"
    r"impressive|decent|solid|good|strong|weak|poor|tiny|small|huge|massive|large|sizeable|"
    r"substantial|remarkable|disappointing|hair|total|remarkably|slim|lousy|clear|whole)"
)

_KIND = (
    r"(?:plain|vanilla|standard|ordinary|original|simple|basic|unmodified|pure|bare|regular|"
    r"classic|usual|recurrent|linear|starting point|strong|poor|humble|trusty|mighty)"
)


def _tidy(text: str) -> str:
    """Articles and empty nouns out, so that the patterns stay short."""
    text = re.sub(r"(?<=[MT])(\d+) ?'s?(?=\s|$|,|\))", r"\1", text)
    noun = (
        r"(?:models?|variants?|rules?|rows?|versions?|approach|method|mixer|layer|update|net|"
        r"systems?|agents?|algorithms?|student|deltanet|network|attention|transformer|run|hybrid)"
    )
    text = re.sub(rf"(\bM\d+)(?:[ -]{noun})+\b", r"\1", text)
    text = re.sub(r"(?<=[MT])(\d+)'s?(?=\s|$|,|\))", r"\1", text)
    text = re.sub(
        r"(\bT\d+)(?:[ -](?:tasks?|benchmarks?|columns?|scores?|accurac(?:y|"
        r"ies)|performance|results?|values?|test|"
        r"contexts?|tokens|inputs?))+\b",
        r"\1",
        text,
    )
    text = re.sub(
        r"\b(?:the|a|an|also|itself|themselves|actually|again|now|again|"
        r"here|simply|already|even|still|a bit|then(?! M\d)|respectable|full)\b",
        " ",
        text,
    )
    text = re.sub(rf"\b{_SIZE}\s+(?=[NR]\d)", " ", text)
    text = re.sub(rf"\b{_KIND}\s+(?=M\d)", " ", text)
    text = re.sub(r"\s+([,.;:)%])", r"\1", text)
    text = re.sub(r"\(\s+", "(", text)
    return " ".join(text.split())
