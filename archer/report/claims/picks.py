"""Which seeds a text means: "seed 0", "its best seed", "two of three seeds", "every seed".

They are lifted as names are: "its best seed reaches 0.968" becomes "pick0 reaches N0". A clause
with a pick is read by `seeds.py` alone and is never held against the mean over seeds.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from archer.report.claims.numbers import NUMBER_WORDS

MANY = 10**6
Kind = Literal["named", "best", "worst", "median", "all", "none", "count", "rest", "else"]


@dataclass(frozen=True)
class Pick:
    """named: the seeds in the order of the text; least, most: how many, where it is a count (most
    None: whether more would do is not said); of: how many seeds there are said to be.
    """

    kind: Kind
    named: tuple[int, ...] = ()
    least: int = 0
    most: int | None = None
    of: int | None = None

    @property
    def one(self) -> bool:
        """One seed, and it is known which."""
        return self.kind in ("best", "worst", "median") or len(self.named) == 1


_N = rf"(?:\d{{1,2}}(?!\.?\d)|{'|'.join(NUMBER_WORDS)})"
_DET = r"(?:(?:the|its|their|these|those|all) )*"
_KIND = r"(?:(?:random|individual|single|separate|different|training) )?"
_SEEDS = rf"{_KIND}seeds\b"
_RUNS = r"(?:runs?|repeats?|repetitions?|replicates?|initiali[sz]ations?)"
_PLACE = (
    r"(?:(?P<best>best|better|strongest|luckiest|top|highest(?:[- ]scoring)?)|"
    r"(?P<worst>worst|worse|weakest|unluckiest|bottom|lowest(?:[- ]scoring)?)|"
    r"(?P<median>median|middle))"
)
# What is said of their mean, or of what they settle, is said of no seed by itself.
_MEAN = re.compile(
    rf",? ?\b(?:(?:averaged|taken|computed|measured) )?(?:over|across) {_DET}(?P<n>{_N} )?seeds\b"
    rf"(?! of| out of| ?#?\d)|,? ?\b(?:with|on|from|for|using|after) (?:the |these )?(?P<with>{_N})"
    r" seeds?\b(?! of| out of)",
    re.IGNORECASE,
)
_TOGETHER = re.compile(
    rf"\b(?:over|across|between|on|with|from|for) {_DET}(?:{_N} )?(?:fresh|common|other|new) seeds?"
    r"\b|"
    r"\b(?:by|between|of) (?:these )?seeds\b|\bthese seeds\b|\bseeds? needed\b|\bseed-to-seed\b",
    re.IGNORECASE,
)
_ACROSS = re.compile(rf"\b(?:over|across|between|among|by) {_DET}(?P<of>{_N} )?{_SEEDS}", re.I)
_SPREADS = re.compile(
    r"\b(?:from|between) \d|\b(?:rang|span|var[yi]|spread|differ|apart|swing|fluctuat|nois[yi]|"
    r"(?:un|in)?stab|disagree|consistent|reproduc|reliabl|robust)",
    re.IGNORECASE,
)
_EXTREME = rf"{_DET}{_PLACE}(?: one)?(?: of {_DET}(?P<of>{_N} )?{_SEEDS}| {_KIND}seed\b)"
_LIST = r"(?: ?, ?(?:and )?| and | & | ?[-–] ?| to )"
_NAMED = (
    rf"(?<!data )(?:the )?{_KIND}seeds? (?:no\.? ?|number |# ?|= ?)?"
    rf"(?P<list>{_N}(?:{_LIST}{_N}(?! of (?:the|its|{_N})))*)(?!\d|\.\d| ?%| seeds?\b| of \d)"
)
_ALL = (
    r"(?:(?P<none>no|none|neither|not (?:one|a single))|all|both|each|every)(?: (?:single|one))?"
    rf"(?: of)? {_DET}(?P<of>{_N} )?{_KIND}seeds?\b"
)
_LIMIT = r"(?:(?P<limit>at least|at most|only|just|exactly|precisely|no more than|up to) )?"
_SOME = (
    rf"(?<!the )(?<!its )(?<!their ){_LIMIT}(?P<n>{_N}|a single|most) (?:(?:{_SEEDS}|seed) "
    rf"(?:out )?of {_DET}(?P<a>{_N})\b(?: {_SEEDS})?|(?:out )?of {_DET}(?P<b>{_N} )?{_SEEDS}|"
    rf"{_KIND}seeds?\b)"
)
_OTHERS = rf"(?:the|its) (?:others?|remaining|rest of the)(?: {_N})?(?: of (?:the|its))? seeds?\b"
_WHOLE = rf"(?:the|its|their) (?P<of>{_N} )?{_SEEDS}(?! of {_N})"
_EDGE = re.sub(r"\?P<\w+>", "?:", _PLACE)
_RUN = (
    rf"(?:{_EDGE}|single|1|one|each|every|all|both|no|two|2|its|three|3) {_RUNS} (?=of M\d)|"
    rf"(?<=M\d ){_EDGE} {_RUNS}\b|its {_EDGE} {_RUNS}\b|(?:each|every) time\b|"
    rf"(?:in|with|on|for|over|across) (?:all|both|each|every|one|no|most|some)(?: of)? {_DET}"
    rf"(?:{_N} )?{_RUNS}\b"
)
_REST = (
    rf"(?:the|its) (?:third|fourth|fifth|last|others?|remaining|rest)(?: {_N})?"
    r"(?: (?:one|seeds?))?\b"
)
_ALONE = rf"(?:the |its )?{_PLACE}(?: one)?\b(?! (?:(?:of|rule|model|task|row|on)\b|M\d|seed))"
_PLAINLY = (
    (r"(?<=\d)/(?=\d+ seeds)", " of "),
    (rf"\bof (M\d+) ?'s? ((?:{_N} )?seeds)\b", r"of the \2 of \1"),
    (
        rf"\b({_EDGE}) and (?:the |its )?({_EDGE}) (?:of (?:its|the) )?seeds?\b",
        r"\1 seed and \2 seed",
    ),
)


def lift(text: str, picks: list[Pick], many: int | None) -> tuple[str, int | None]:
    """The text with "pick0", ... for the seeds it speaks of, and over how many it says a mean is.

    many: how many seeds the table has, when all its cells have as many.
    """
    if not re.search(rf"\b(?:seeds?|{_RUNS}|(?:each|every) time)\b", text, re.IGNORECASE):
        return text, None
    for pattern, plainly in _PLAINLY:
        text = re.sub(pattern, plainly, text, flags=re.IGNORECASE)
    said: list[int] = []
    text = _TOGETHER.sub(" x ", text)
    if _SPREADS.search(text):
        text = _ACROSS.sub(_lifted(picks, lambda m: Pick("all", of=_number(m["of"]))), text)
    else:
        text = _MEAN.sub(lambda m: _mean(m, said, many), text)
    for pattern, make in _MAKERS:
        text = re.sub(rf"\b(?:{pattern})", _lifted(picks, make), text, flags=re.IGNORECASE)
    if any(p.kind == "count" for p in picks):
        text = _after_the_first(text, _REST, _lifted(picks, lambda m: Pick("rest")))
    if any(p.one for p in picks):
        text = _after_the_first(text, _ALONE, _lifted(picks, _extreme))
    return text, said[0] if len(said) == 1 else None


def _after_the_first(text: str, pattern: str, lifted: Callable[..., str]) -> str:
    """ "... and the third", "its worst only": of the seeds spoken of before."""
    start = text.index("pick") + 4
    return text[:start] + re.sub(rf"\b(?:{pattern})", lifted, text[start:], flags=re.IGNORECASE)


def _mean(match: re.Match[str], said: list[int], many: int | None) -> str:
    n = _number(match["n"] or match["with"])
    if match["with"] and n != many:
        return match[0]  # "with two seeds": some of them
    said += [n] if n is not None else []
    return " "


def _lifted(picks: list[Pick], make: Callable[[re.Match[str]], Pick]) -> Callable[..., str]:
    def lifted(match: re.Match[str]) -> str:
        picks.append(make(match))
        return f" pick{len(picks) - 1} "

    return lifted


def _number(text: str | None) -> int | None:
    if text is None:
        return None
    word = text.strip().lower()
    return int(word) if word.isdigit() else NUMBER_WORDS.get(word)


def _extreme(match: re.Match[str]) -> Pick:
    kind: Kind = "best" if match["best"] else "worst" if match["worst"] else "median"
    return Pick(kind, of=_number(match.groupdict().get("of")))


def _named(match: re.Match[str]) -> Pick:
    parts = re.split(rf"({_LIST})", match["list"])
    seeds = [n for part in parts[::2] if (n := _number(part)) is not None]
    if len(seeds) == 2 and re.search(r"to|[-–]", parts[1]):
        seeds = list(range(seeds[0], seeds[1] + 1))
    return Pick("named", tuple(seeds))


def _all(match: re.Match[str]) -> Pick:
    said = match.groupdict()
    return Pick("none" if said.get("none") else "all", of=_number(said.get("of")))


def _some(match: re.Match[str]) -> Pick:
    word, limit = match["n"].lower(), (match["limit"] or "").lower()
    of = _number(match["a"] or match["b"])
    if word == "most":
        return Pick("else")
    n = 1 if word == "a single" else _number(word) or 0
    if limit in ("at most", "no more than", "up to"):
        return Pick("count", least=0, most=n, of=of)
    if limit == "at least":
        return Pick("count", least=n, most=MANY, of=of)
    exact = limit or re.search(r"\bof\b", match[0], re.IGNORECASE)
    return Pick("count", least=n, most=n if exact else None, of=of)


def _else(match: re.Match[str]) -> Pick:
    return Pick("else")


_MAKERS: tuple[tuple[str, Callable[[re.Match[str]], Pick]], ...] = (
    (_OTHERS, _else),
    (_EXTREME, _extreme),
    (_NAMED, _named),
    (_ALL, _all),
    (_SOME, _some),
    (_WHOLE, _all),
    (rf"{_KIND}seeds\b", _all),
    (r"(?:[a-z]+ )?seeds?\b", _else),
    (_RUN, _else),
)
