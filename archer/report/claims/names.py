"""Which words of a text mean which row and which column of the table."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from archer.report.claims.table import ScoreTable, words

# Words of row names that say nothing about the model by themselves.
_FILLER = {"state", "update", "in", "for", "loop", "layer", "net", "model", "rule", "the", "of"}


_FILLER |= {"variant", "version", "base", "baseline", "with", "and", "v1", "linear"}


_DEPTH = re.compile(r"\d+l(ayers?)?$")


# Words of row names that prose uses all the time.
_PROSE = {
    "off",
    "not",
    "low",
    "high",
    "one",
    "two",
    "new",
    "old",
    "out",
    "size",
    "all",
    "none",
    "best",
}


_PROSE |= {"three", "four", "five", "six", "seven", "eight", "nine", "ten", "both", "each", "only"}


_PROSE |= {"other", "same", "next", "second", "third", "single", "double", "many", "few", "no"}


_PROSE |= {"first", "last", "half", "top", "more", "less", "dim", "run", "test"}


NOT_ACRONYMS = {"AN", "AS", "AT", "BE", "BY", "DO", "GO", "IF", "IN", "IS", "IT", "ME", "MY", "NO"}


NOT_ACRONYMS |= {"OF", "ON", "OR", "SO", "TO", "UP", "US", "WE", "CI", "SD", "VS", "LR", "WD"}


_SPELLINGS = {
    "attention": r"(?:attention|attn\.?)",
    "error": r"err(?:or)?",
    "softmax": r"soft-?max",
    "delta": r"delta",
    "context": r"(?:context|ctx)",
    "selective": r"sel(?:ective|\.)?",
    "layer": r"layers?",
    "baseline": r"baseline",
    "transformer": r"transformer\+*",
}


@dataclass(frozen=True)
class Alias:
    """A way to write one name (or one of several, when that is not clear)."""

    pattern: str
    names: tuple[str, ...]
    exact_case: bool = False


@cache
def spelling(word: str) -> str:
    """A regular expression for a word and its usual inflections."""
    if word in _SPELLINGS:
        return _SPELLINGS[word]
    if depth := re.fullmatch(r"(\d+)l(?:ayers?)?", word):
        return depth[1] + r"[\s-]*l(?:ayers?)?"
    if word.isalpha() and len(word) >= 5:
        stem = re.sub(r"(?:ation|isation|ization|ing|ed|e|ion|(?<!s)s)$", "", word)
        stem = re.sub(r"(?<=[a-z])[iy]$", "", stem)
        stem = re.sub(r"i[sz]$", "i[sz]", re.escape(stem)) if len(stem) >= 3 else word
        return stem + r"(?:ation|ion|ing|ed|es|e|s|y|ying)?"
    if word == "copy":
        return r"cop(?:y|ying|ies)"
    letters = re.sub(r"(?<=[a-z])(?=\d)|(?<=\d)(?=[a-z])", r"[-\\s]?", re.escape(word))
    return letters


def join(parts: Iterable[str]) -> str:
    return r"[\s_\-/+&]*(?:and\s+)?".join(spelling(part) for part in parts)


def model_aliases(table: ScoreTable) -> list[Alias]:
    """All ways to write each row, longest first."""
    named = {model: words(model) for model in table.models}
    own = _own_words(named)
    found: dict[str, Alias] = {}

    def add(pattern: str, names: tuple[str, ...], exact: bool = False) -> None:
        if pattern and (pattern not in found):
            found[pattern] = Alias(pattern, names, exact)

    for model, parts in named.items():
        short = len(model) <= 2
        exact = re.escape(model)
        add(exact, (model,), short)
        if short and not model.isalpha():
            add(exact.upper(), (model,), True)
        add(join(parts), (model,), short)
    for model, parts in named.items():
        for gram in _grams(parts):
            if len(gram) == 1 and gram[0] in _PROSE:
                continue  # "the two recall tasks" names no `two_householder`
            elsewhere = any(_inside(gram, other) for m, other in named.items() if m != model)
            if not elsewhere and _tells(gram, parts, own[model], model == table.baseline):
                add(join(gram), (model,))
    for model in named:
        if own[model]:
            text = "".join(own[model])
            if len(text) > 2 and not text.isdigit() and text not in _PROSE:
                add(join(own[model]), (model,))
            elif re.fullmatch(r"[a-z]\d", text):  # "E5" for `e5_base`
                add(text, (model,), True)
                add(text.upper(), (model,), True)
    for pattern, names in _single_words(own).items():
        add(pattern, names)
    for model, parts in named.items():
        for letters in _initials(parts, own[model]):
            if sum(letters in _initials(named[m], own[m]) for m in named) == 1:
                add(letters, (model,), True)
    if table.baseline is not None:
        for pattern in _baseline_patterns(named[table.baseline]):
            add(pattern, (table.baseline,))
    return sorted(found.values(), key=lambda alias: -len(alias.pattern))


def _own_words(named: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """The words that tell a row from the others; empty for the plain one."""
    seen = Counter(word for parts in named.values() for word in set(parts))
    often = {w for w, n in seen.items() if len(named) >= 3 and n > 0.6 * len(named)}
    filler = _FILLER | often | {w for w in seen if _DEPTH.match(w)}
    own = {m: tuple(w for w in parts if w not in filler) for m, parts in named.items()}
    same = Counter(own.values())
    everywhere = {w for w, n in seen.items() if n == len(named)}
    for model, parts in named.items():
        if same[own[model]] > 1:
            own[model] = tuple(w for w in parts if w not in everywhere)
    return own


def _grams(parts: tuple[str, ...]) -> list[tuple[str, ...]]:
    n = len(parts)
    return [parts[i:j] for i in range(n) for j in range(i + 1, n + 1)]


def _inside(gram: tuple[str, ...], parts: tuple[str, ...]) -> bool:
    return any(parts[i : i + len(gram)] == gram for i in range(len(parts)))


def _tells(
    gram: tuple[str, ...], parts: tuple[str, ...], own: tuple[str, ...], is_base: bool
) -> bool:
    text = "".join(gram)
    if len(text) <= 2 or text.isdigit():
        return False
    if own and not is_base:
        return bool(set(gram) & set(own))
    return gram == parts[: len(gram)]


def _single_words(own: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """One distinguishing word; shared words go to the row that is or begins with it."""
    holders: dict[str, list[str]] = {}
    for model, parts in own.items():
        for word in parts:
            if len(word) > 2 and not word.isdigit() and word not in _PROSE:
                holders.setdefault(word, []).append(model)
    result = {}
    for word, models in holders.items():
        plain = [m for m in models if not {"and", "plus"} & set(words(m))]
        models = plain or models  # a combination of two is named by both
        exact = [m for m in models if own[m] == (word,)]
        first = [m for m in models if own[m][0] == word]
        chosen = exact if len(exact) == 1 else first if len(first) == 1 else models
        result[spelling(word)] = tuple(chosen)
    return result


def _initials(parts: tuple[str, ...], own: tuple[str, ...]) -> set[str]:
    plain = [w for w in parts if not _DEPTH.match(w)]
    grams = {"".join(w[0] for w in chosen).upper() for chosen in (plain, own) if len(chosen) >= 2}
    return {letters for letters in grams if letters.isalpha()} - NOT_ACRONYMS


def _baseline_patterns(parts: tuple[str, ...]) -> list[str]:
    plain = [w for w in parts if not _DEPTH.match(w)]
    kind = r"(?:baseline|vanilla|plain|standard|ordinary|unmodified|original|reference|control)"
    names = [join(plain), spelling(plain[0])] if len(plain[0]) > 2 else [join(plain)]
    patterns = [rf"{kind}[\s_-]*(?:{'|'.join(names)})(?:[\s_-]*(?:net|rule|baseline))?"]
    patterns += [rf"(?:{n})[\s_-]*(?:net\b|rule\b)?(?:[\s_-]*baseline)?" for n in names]
    return [*patterns, rf"{kind}[\s_-]*(?:model|row|rule|net|run)?(?<![\s_-])"]


def group_of(table: ScoreTable, adjective: str) -> list[tuple[str, ...]] | None:
    """Rows meant by "<adjective> variants"; several readings, or None when it is not clear."""
    wanted = [w for w in re.findall(r"[a-z0-9]+", adjective.lower()) if w not in ("the", "of")]
    negate = bool(wanted) and wanted[0] in ("non", "other")
    wanted = wanted[1:] if negate else wanted
    rows = {m: " ".join(words(m)) for m in table.models}
    if not wanted:
        return None
    patterns = [re.compile(r"\b" + spelling(w)) for w in wanted]
    joined = "".join(wanted)
    chosen = tuple(
        m
        for m, text in rows.items()
        if all(p.search(text) for p in patterns) or joined in text.replace(" ", "")
    )
    if negate:
        chosen = tuple(m for m in table.models if m not in chosen)
    if not chosen or (len(chosen) == 1 and not negate):
        return None
    without = tuple(m for m in chosen if m != table.baseline)
    return [chosen] if without == chosen or not without else [chosen, without]
