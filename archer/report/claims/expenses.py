"""Knobs and time: "mu = 0.9", "learned mu ends at 0.83", "adam takes 1.7 times as long as delta".

Only what a result folder knows is read; without one such statements are left alone.
"""

import re
from dataclasses import dataclass

from archer.report.claims.combine import Any, Unsure
from archer.report.claims.figures import Figure
from archer.report.claims.mentions import Skeleton
from archer.report.claims.statements import Statement
from archer.report.claims.table import ScoreTable
from archer.report.claims.verdict import UNCLEAR, Outcome, best_of, truth

_NUMBER = r"(?P<v>\d*\.?\d+(?:e-?\d+)?)"
_HEDGE = r"(?P<hedge>(?:about|around|roughly|approximately|nearly|almost|some|only|just|≈|~) ?)*"
_GREEK = {"mu": "μ", "tau": "τ", "lam": "λ", "gamma": "γ", "eps": "ε", "beta": "β", "eta": "η"}
_VERB = (
    r"(?P<verb>=|:|≈|of|is|was|at|ends?(?: up)? at|ended(?: up)? at|converge[sd]? to|"
    r"settle[sd]? (?:at|around|near)|reach(?:es|ed)|starts? at|started at)"
)
_TIMES = (
    rf"{_HEDGE}{_NUMBER} ?(?:×|x|times|-?fold) (?P<how>as long|as slow|as fast|as much time|"
    r"(?:the )?(?:training |wall[- ]clock )?(?:time|cost)|slower|longer|faster|as expensive)"
)
_WORD_TIMES = r"(?P<word>twice|half) (?P<how2>as long|as slow|as fast|(?:the )?(?:training )?time)"
_PERCENT = rf"{_HEDGE}{_NUMBER} ?(?:%|percent) (?P<how3>slower|longer|faster|more time|less time)"
_RATIO = re.compile(
    rf"\bM(?P<m>\d+) (?:takes|took|needs|needed|requires|required|is|was|runs|ran|trains|costs)"
    rf" (?:\w+ly )?(?:to train )?(?:{_TIMES}|{_WORD_TIMES}|"
    rf"{_PERCENT.replace('<v>', '<v3>').replace('<hedge>', '<hedge3>')})"
    r"(?: (?:of|as|than|to train as|that of|per step as|per step than))*(?: (?:the )?M(?P<o>\d+))?"
    r"(?: per step| does)?",
    re.IGNORECASE,
)
_SECONDS = re.compile(
    rf"\bM(?P<m>\d+) (?:takes|took|needs|needed|requires|required|trains in|trained in|trained for|"
    rf"runs for|ran for) {_HEDGE}{_NUMBER} ?(?P<unit>ms|milliseconds?|s|sec|seconds?|min|minutes?|"
    r"h|hours?)\b(?P<step> (?:per|a|an|each) (?:step|trial|training|run))?(?: (?:in all|in total|"
    r"of training|of compute))?",
    re.IGNORECASE,
)
_SLOWER = re.compile(
    r"\bM(?P<m>\d+) (?:is|was|trains|trained|runs|ran) (?:\w+ly )?"
    r"(?P<how>slower|faster|cheaper|more expensive|costlier)(?: to (?:train|run))?(?: per step)?"
    r" than (?:the )?M(?P<o>\d+)",
    re.IGNORECASE,
)
_UNITS = {"ms": 1e-3, "mi": 60.0, "s": 1.0, "h": 3600.0}


@dataclass(frozen=True)
class KnobIs:
    """A row's knob has the value, or ended there where it was learned."""

    row: str
    knob: str
    figure: Figure
    ends: bool

    def judge(self, table: ScoreTable) -> Outcome:
        known = table.details.learned if self.ends else table.details.knobs
        values = known.get((self.row, self.knob), ())
        fits = [v for v in values if self.figure.fits(v) == "yes"]
        if not values:
            return UNCLEAR
        return truth(bool(fits), self.figure.value, (fits or values)[0], None)


@dataclass(frozen=True)
class TakesTimes:
    """Training a row takes `figure` times as long as another, per step or in all."""

    row: str
    base: str
    figure: Figure

    def judge(self, table: ScoreTable) -> Outcome:
        ratios = table.details.time_ratios(self.row, self.base)
        if not ratios or self.row == self.base:
            return UNCLEAR
        outcomes = [truth(self.figure.fits(r) != "no", self.figure.value, r, None) for r in ratios]
        return best_of(outcomes)


@dataclass(frozen=True)
class Slower:
    """Training a row takes longer than another, per step or in all; stated as `word`."""

    row: str
    base: str
    word: str

    def judge(self, table: ScoreTable) -> Outcome:
        ratios = table.details.time_ratios(self.row, self.base)
        if not ratios:
            return UNCLEAR
        return best_of([truth(ratio > 1, self.word, f"{ratio:.2f} x the time") for ratio in ratios])


@dataclass(frozen=True)
class Takes:
    """Training a row takes a time in seconds: in all, per trial or per step."""

    row: str
    figure: Figure
    scale: float
    per: str

    def judge(self, table: ScoreTable) -> Outcome:
        times = table.details.times(self.row)
        wanted = [times[self.per]] if self.per in times else list(times.values())
        if not times:
            return UNCLEAR
        scaled = [seconds / self.scale for seconds in wanted]
        return best_of(
            [truth(self.figure.fits(x) != "no", self.figure.value, x, None) for x in scaled]
        )


def lift(table: ScoreTable, text: str, s: Skeleton) -> str:
    """The text without what it says of knobs and times; that goes to s.beside as statements."""
    if not (table.details.knobs or table.details.has_times):
        return text
    for pattern, make in ((_RATIO, _ratio), (_SLOWER, _slower), (_SECONDS, _seconds)):
        for match in reversed(list(pattern.finditer(text))):
            made = make(table, match, s)
            if made is not None:
                s.beside.append(made)
                text = f"{text[: match.start()]}M{match['m']} {text[match.end() :]}"
    for knob in sorted({k for _, k in table.details.knobs}, key=len, reverse=True):
        text = _knob(table, knob, text, s)
    return text


def _knob(table: ScoreTable, knob: str, text: str, s: Skeleton) -> str:
    spelled = rf"(?:{re.escape(knob)}|{_GREEK[knob]})" if knob in _GREEK else re.escape(knob)
    # lr alone is the training's
    own = r"M\d+ ?\. ?" if knob == "lr" else r"(?:M\d+(?: ?\. ?|'s | ))?"
    pattern = re.compile(
        rf"(?P<learned>\blearn(?:ed|t|s) (?:value of |knob )?)?(?P<own>{own})(?<!\w){spelled}(?!\w)"
        rf"(?: \(learned\))? ?{_VERB} ?{_HEDGE}{_NUMBER}(?!\.?\d)",
    )
    for match in reversed(list(pattern.finditer(text))):
        row = _row(table, knob, text, match, s)
        if row is None:
            continue
        figure = _figure(match["v"], bool(match["hedge"]))
        ends = bool(match["learned"]) or match["verb"][:3] in ("end", "con", "set", "rea")
        readings: tuple[Statement, ...] = (KnobIs(row, knob, figure, ends),)
        if not ends and (row, knob) in table.details.learned:
            readings += (KnobIs(row, knob, figure, True),)
        s.beside.append(Any(readings))
        kept = re.sub(rf"(?<!\w){spelled}$", "", match["own"].rstrip(".'s "))
        text = f"{text[: match.start()]}{kept} {text[match.end() :]}"
    return text


def _row(table: ScoreTable, knob: str, text: str, match: re.Match[str], s: Skeleton) -> str | None:
    """The row whose knob it is: named with it, last before it, or the only one that has it."""
    holders = [row for row, name in table.details.knobs if name == knob]
    before = re.findall(r"\bM(\d+)", text[: match.end()])
    after = re.findall(r"\bM(\d+)", text[match.end() :])
    for index in (*before[::-1], *after):
        row = s.models[int(index)].single
        if row in holders:
            return row
    return holders[0] if len(holders) == 1 and not before and not after else None


def _figure(text: str, approx: bool) -> Figure:
    if "e" in text:
        return Figure(float(text), 12, approx=approx)
    return Figure(float(text), len(text.partition(".")[2]), approx=approx)


def _ratio(table: ScoreTable, match: re.Match[str], s: Skeleton) -> Statement | None:
    row = s.models[int(match["m"])].single
    base = s.models[int(match["o"])].single if match["o"] else table.baseline
    if row is None or base is None or row == base:
        return None
    figure = _factor(match)
    faster = re.search("fast|less", match["how"] or match["how2"] or match["how3"])
    a, b = (base, row) if faster else (row, base)
    made: Statement = TakesTimes(a, b, figure)
    # "1.7 times slower" is meant as 1.7 or as 2.7 times the time
    if match["how"] in ("slower", "longer", "faster"):
        more = Figure(figure.value + 1, figure.decimals, approx=figure.approx)
        made = Any((made, TakesTimes(a, b, more)))
    return Unsure(made) if match["how3"] and faster else made


def _slower(table: ScoreTable, match: re.Match[str], s: Skeleton) -> Statement | None:
    row, base = (s.models[int(match[name])].single for name in ("m", "o"))
    if row is None or base is None or row == base:
        return None
    less = match["how"].lower() in ("faster", "cheaper")
    return Slower(*((base, row) if less else (row, base)), match["how"])


def _factor(match: re.Match[str]) -> Figure:
    if match["word"]:
        return Figure(2.0 if match["word"].lower() == "twice" else 0.5, 1, approx=True)
    if match["v3"]:
        percent = _figure(match["v3"], bool(match["hedge3"]))
        return Figure(1 + percent.value / 100, percent.decimals + 2, approx=percent.approx)
    return _figure(match["v"], bool(match["hedge"]))


def _seconds(table: ScoreTable, match: re.Match[str], s: Skeleton) -> Statement | None:
    row = s.models[int(match["m"])].single
    if row is None:
        return None
    unit = match["unit"].lower()
    scale = next(x for start, x in _UNITS.items() if unit.startswith(start))
    scale = 1e-3 if unit.startswith("milli") else scale
    per = "step" if "step" in (match["step"] or "") else "trial" if match["step"] else "all"
    return Takes(row, _figure(match["v"], bool(match["hedge"])), scale, per)
