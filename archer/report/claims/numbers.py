"""Numbers in a sentence: which are scores, with what unit, hedge and bound."""

import re
from dataclasses import replace

from archer.report.claims.figures import Figure
from archer.report.claims.mentions import Skeleton

NUMBER_WORDS = {
    word: number
    for number, word in enumerate(
        ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
    )
}


_UNIT = (
    r"\s*(?P<unit>%[- ]?points?|percentage[- ]points?|percent[- ]points?|"
    r"%|percent\b|per cent\b|pp\b|ppts?\b|"
    r"p\.p\.|-?pts?\b|-?points?\b|×|x\b|-?fold\b|times\b)?"
)


_BEFORE = (
    r"(?P<pre>(?:(?:about|around|roughly|approximately|approx\.?|circa|"
    r"ca\.|nearly|almost|close to|some|"
    r"just under|just over|just below|just above|at least|no less than|more than|over|above|"
    r"exceed(?:s|ed|ing)?|clear(?:s|ed|ing)?|past|pass(?:es|ed|ing)?|cross(?:es|ed|ing)?|"
    r"surpass(?:es|ed|ing)?|tops?|topped|beats?|breaks?|north of|upwards of|in excess of|"
    r"better than|beyond|south of|beneath|worse than|short of|shy of|"
    r"greater than|higher than|at most|no more than|less than|below|"
    r"under|up to|lower than|"
    r"fewer than|as much as)\s+)+|[≈~∼><≥≤]\s*)?"
)


_NUM = (
    r"(?P<num>\d+\.\d+|(?<![\d.])\.\d+|\d+(?=\s*(?:%|percent|percentage|"
    r"per cent|pp\b|ppts?\b|p\.p\.|-?points?\b|-?pts?\b|×|x\b|-?fold|times\b)))"
)


_FIGURE = re.compile(
    rf"(?<![\w.]){_BEFORE}(?P<sign>(?:(?<![\w)%])|(?<=\s))[+\-−±])?\s?{_NUM}"
    rf"{_UNIT}(?:\s*(?:±|\+/-)\s*(?P<spread>\d*\.?\d+)\s*%?)?(?![\d])"
)


_RANGE = re.compile(
    r"(?<![\w.])(?P<pre>(?:about|around|roughly|approximately|between|"
    r"[≈~])\s*)?(?P<s1>[+\-−])?(?P<a>\d*\.\d+|\d+)\s*(?:%|pp|points?)?"
    r"\s*(?:–|—|-|−|\bto\b|\.\.\.?|…)\s*(?P<s2>[+\-−])?(?P<b>\d*\.\d+|\d+)" + _UNIT
)


_BETWEEN = re.compile(
    r"\bbetween (?P<s1>[+\-−])?(?P<a>\d*\.\d+|\d+)\s*(?:%|pp)? and (?P<s2>[+\-−])?"
    r"(?P<b>\d*\.\d+|\d+)" + _UNIT
)


# In a table of percentages a score may stand without its sign.
PLAIN_PERCENT = re.compile(
    r"(?<=\s)((?:exceed|above|below|over|under|past|reach|score|clear|"
    r"at|to|hits?|beyond)\w* \d{2})(?!\.?\d)(?!\s*(?:%|p|of|×|x|M\d))"
)


# "gains 36 points on T and loses 3 on U, 2 on V": the unit stands once.
_BARE_POINTS = re.compile(
    r"(?<=[a-z,] )((?<![\w.])\d{1,2}(?:\.\d)?)(?= (?:on|in|for|at) T\d)(?<!\b0\.\d)"
)


# "-1.3 / +0.4 / -4.5 pp"
_SLASHED = re.compile(r"((?:[+\-−]?\d+\.\d+ ?/ ?)+[+\-−]?\d+\.\d+) ?(pp|ppts|%|points)(?![\w])")


_LESS = re.compile(
    r"at most|no more than|less than|below|under|up to|lower than|fewer than|as much as|"
    r"south of|beneath|worse than|short of|shy of|<|≤"
)


_MORE = re.compile(
    r"at least|no less than|more than|over|above|exceed|clear|past|pass|cross|surpass|top|beat|"
    r"break|north of|upwards of|in excess of|better than|beyond|greater than|higher than|>|≥"
)


def is_bare_number(text: str) -> bool:
    return bool(re.fullmatch(r"[\s+\-−±≈~]*\d*\.?\d+\s*%?[\s)*]*", text))


def _figure(match: re.Match[str]) -> Figure:
    pre = match["pre"] or ""
    unit = (match["unit"] or "").strip().lower().removeprefix("-")
    kind = ""
    if unit in ("%", "percent", "per cent"):
        kind = "%"
    elif unit in ("point", "points", "pt", "pts"):
        kind = "points"
    elif unit in ("×", "x", "fold", "-fold", "times"):
        kind = "x"
    elif unit:
        kind = "pp"
    bound = "<" if _LESS.search(pre) else ">" if _MORE.search(pre) else ""
    if "just" in pre or "up to" in pre or "as much" in pre:
        bound = ""
    approx = bool(
        re.search(r"about|around|rough|approx|circa|ca\.|near|almost|close|some|just|[≈~∼]", pre)
    )
    approx = approx or "up to" in pre or "as much" in pre
    sign = {"−": "-", "-": "-", "+": "+"}.get(match["sign"] or "", "")
    digits = match["num"].partition(".")[2]
    spread = float(match["spread"]) if match["spread"] else None
    return Figure(float(match["num"]), len(digits), kind, sign, approx, bound, spread)


def in_percent(figure: Figure) -> Figure:
    """In a table of percentages 1.3 means a percent, though 0.013 may be written too."""
    return replace(figure, unit="points", bare=True) if figure.unit == "" else figure


def _range_figures(match: re.Match[str]) -> tuple[Figure, Figure] | None:
    unit = (match["unit"] or "").strip().lower()
    if "." not in match["a"] + match["b"] and not unit:
        return None
    if unit in ("×", "x", "fold", "-fold", "times"):
        return None
    kind = "" if not unit else "%" if unit in ("%", "percent", "per cent") else "pp"
    kind = "points" if unit.startswith(("point", "pt")) else kind
    approx = bool(re.search(r"about|around|rough|approx|[≈~]", match.groupdict().get("pre") or ""))
    signs = [{"−": "-", "-": "-", "+": "+"}.get(match[g] or "", "") for g in ("s1", "s2")]
    figures = [
        Figure(float(match[g]), len(match[g].partition(".")[2]), kind, sign, approx)
        for g, sign in zip("ab", signs, strict=True)
    ]
    return figures[0], figures[1]


def lift_numbers(text: str, s: Skeleton) -> str:
    def between(match: re.Match[str]) -> str:
        both = _range_figures(match)
        if both is None:
            return match[0]
        s.ranges.append(both)
        return f" R{len(s.ranges) - 1} "

    def dashed(match: re.Match[str]) -> str:
        both = _range_figures(match)
        word = re.search(r"\bto\b", match[0])
        start = text_before(match)
        spans = re.search(
            r"\b(?:rang|span|var|spread|lie|stretch|run|extend|fluctuat)\w* (?:\w+ )?from\s*$",
            start,
        )
        if (
            both
            and re.match(r"[+\-−]?[\d.]+\s*(?:%|pp|points?)", match[0][len(match["pre"] or "") :])
            and not match["unit"]
        ):
            return match[0]  # "down 2.3 points to 0.861" is no range
        if both is None or (re.search(r"\bfrom\s*$", start) and not spans):
            return _split_from_to(match, s) if both else match[0]
        if word and re.search(
            r"\b(?:T\d+|M\d+|drops?|rises?|falls?|improves?|increases?|leads?|"
            r"wins?)\s*\(?[:=]?\s*$",
            start,
        ):
            return _split_from_to(match, s)
        s.ranges.append(both)
        return f" R{len(s.ranges) - 1} "

    def text_before(match: re.Match[str]) -> str:
        return match.string[: match.start()]

    def single(match: re.Match[str]) -> str:
        s.figures.append(_figure(match))
        return f" N{len(s.figures) - 1} "

    if re.search(r"\d(?: percentage)? ?-?(?:points|pp|ppts)\b", text):
        text = _BARE_POINTS.sub(r"\1 points", text)
    text = _SLASHED.sub(lambda m: m[1].replace("/", f"{m[2]} /") + m[2], text)
    text = _BETWEEN.sub(between, text)
    text = _RANGE.sub(dashed, text)
    # "from 40 to 78 %", "40 % vs 78 %": the unit stands once
    text = re.sub(
        r"(?<![\w.])(\d+)(?= (?:to|vs\.?|versus|and|→|against) (?:about )?\d+\s?%)", r"\1 %", text
    )
    return _FIGURE.sub(single, text)


def _split_from_to(match: re.Match[str], s: Skeleton) -> str:
    both = _range_figures(match)
    if both is None:
        return match[0]
    s.figures += list(both)
    n = len(s.figures)
    return f" N{n - 2} to N{n - 1} "


def count_words(text: str) -> str:
    words = "|".join(NUMBER_WORDS)
    text = re.sub(
        r"\b(\d\S*(?: %)?) (?:or|and) (?:above|more|higher|better|up|upwards)\b",
        r"at least \1",
        text,
    )
    text = re.sub(
        r"\b(\d\S*(?: %)?) (?:or|and) (?:below|less|lower|worse|under)\b", r"at most \1", text
    )
    text = re.sub(
        r"\b(\d\S*(?: (?:%|points?|pp))?) at (?:the )?(most|least)(?=\s*(?:[),.;:]|$|on\b|in\b))",
        r"at \2 \1",
        text,
    )
    text = re.sub(r"\bhalf (?:a |of a )?(?:percentage )?point\b", "0.5 points", text)
    text = re.sub(r"\b(?:a|one) (?:full |whole )?(?:percentage )?point\b", "1 point", text)
    text = re.sub(r"\b(\d\S*(?: (?:%|points?|pp))?) or (?:so|thereabouts)\b", r"about \1", text)
    text = re.sub(rf"\b({words})\b", lambda m: str(NUMBER_WORDS[m[1]]), text)
    return re.sub(r"\b(\d)(?:/|[ -]of[ -])(\d)(?![.\d])\b", r"\1 of \2", text)
