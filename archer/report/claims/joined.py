"""Names that belong together: lists, exceptions, "delta with momentum", "only A"."""

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from archer.report.claims.mentions import Mention, Skeleton, add_models
from archer.report.claims.table import AVERAGE, ScoreTable, words


def merge_mentions(table: ScoreTable, s: Skeleton) -> None:
    """Lists ("A, B and C"), exceptions ("all tasks except T") and "delta with momentum"."""
    base = table.baseline
    if "M" not in s.text:
        every = Mention((table.models,), group=True)
        s.text = re.sub(
            r"\b(?:every|all|each) (T\d+)\b(?! T)",
            lambda m: f"{add_models(s, every)} on {m[1]}",
            s.text,
        )
    s.text = re.sub(
        r"(?<!compared )(?<!comparing )\bM(\d+) (?:with|\+|plus|using|w/) (?:the |an? )?M(\d+)\b",
        lambda m: _keep_variant(m, s, base),
        s.text,
    )
    s.text = re.sub(r"\bM(\d+) \(M(\d+)\)", lambda m: _same_again(m, s), s.text)
    s.text = re.sub(r"\bM(\d+) M(\d+)\b", lambda m: _keep_variant(m, s, base), s.text)
    s.text = re.sub(r"\bM(\d+) (?:of|on top of) M(\d+)\b", lambda m: _family(table, m, s), s.text)
    s.text = re.sub(
        r"\bT(\d+) (?:(?:over|across|of|for|on|in) )?T(\d+)\b",
        lambda m: _whole(table, m, s),
        s.text,
    )
    s.text = re.sub(_REMOVING, lambda m: _removed(m, s), s.text)
    s.text = re.sub(r"(?<!of )(?<!among )(?<!in )\bunknowngroup (?=M\d)", " ", s.text)
    if base is not None:
        onto = r"\b(?:adding|plugging|inserting|bolting) (M\d+) (?:in|on)?to M(\d+)"
        s.text = re.sub(onto, lambda m: _onto(m, s, base), s.text)
    s.text = _opening_exception(s.text, s)
    for kind, mentions in (("M", s.models), ("T", s.tasks)):
        s.text = _exceptions(s.text, kind, mentions)
        s.text = _lists(s.text, kind, mentions)
        only = partial(_only, mentions, kind)
        s.text = re.sub(rf"\b{kind}(\d+),? onlyones\b", only, s.text)
        s.text = re.sub(rf"\bonly (?=the )?{kind}(\d+)\b", only, s.text)


def _family(table: ScoreTable, match: re.Match[str], s: Skeleton) -> str:
    """ "the variants of DeltaNet": those rows that carry its name."""
    group, of = s.models[int(match[1])], s.models[int(match[2])]
    if not group.group or of.single is None:
        return match[0]
    kept = tuple(n for n in group.names if words(of.single)[0] in words(n) and n != of.single)
    return add_models(s, replace(group, readings=(kept or group.names,)))


def _whole(table: ScoreTable, match: re.Match[str], s: Skeleton) -> str:
    """ "The average over all tasks": the average."""
    first, second = s.tasks[int(match[1])], s.tasks[int(match[2])]
    whole = first.names == (AVERAGE,) and second.names == table.tasks and second.quant == "each"
    return f"T{match[1]}" if whole else match[0]


_REMOVING = (
    r"\b(?:(?:by |with |once |after |when )?(?:removing|dropping|disabling|omitting|ablating|"
    r"deleting|"
    r"cutting|losing|leaving out|turning off|taking (?:out|away)|switching off)|without|"
    r"(?:removal|loss|absence) of) M(\d+)\b"
)


def _removed(match: re.Match[str], s: Skeleton) -> str:
    """ "Removing the gate costs ...": the row `no_gate`, by its name."""
    name = s.models[int(match[1])].single or ""
    lacking = {"no", "without", "off", "minus", "wo", "non"} & set(words(name))
    by = "by " if match[0].startswith("by ") else ""
    return f"{by}M{match[1]}" if lacking else match[0]


def _onto(match: re.Match[str], s: Skeleton, base: str) -> str:
    """ "Adding decay to delta": decay, against the baseline."""
    onto_base = s.models[int(match[2])].single == base
    return f"{match[1]} relative to M{match[2]}" if onto_base else match[0]


def _same_again(match: re.Match[str], s: Skeleton) -> str:
    """ "the convolution-free model (conv_off)": the name in parentheses settles it."""
    first, second = s.models[int(match[1])], s.models[int(match[2])]
    return (
        f"M{match[2]}" if set(second.names) <= {n for r in first.readings for n in r} else match[0]
    )


def _keep_variant(match: re.Match[str], s: Skeleton, base: str | None) -> str:
    first, second = s.models[int(match[1])], s.models[int(match[2])]
    both = {n for r in first.readings for n in r if second.single and len(first.readings) > 1}
    both = {n for n in both if set(words(second.single or "")) <= set(words(n))}
    if len(both) == 1:  # "the gated Hebb rule", of two gated ones
        return add_models(s, Mention(((both.pop(),),)))
    if first.single == base and base is not None and not second.group:
        return f"M{match[2]}"
    if first.single and second.single and _extends(second.single, first.single):
        return f"M{match[2]}"
    if second.single == base and base is not None and match[0].count(" ") == 1:
        return f"M{match[1]}"
    if first.single is not None and first.single == second.single:
        return f"M{match[1]}"
    return match[0]


def _extends(name: str, other: str) -> bool:
    return words(name) != words(other) and words(name)[: len(words(other))] == words(other)


def _exceptions(text: str, kind: str, mentions: list[Mention]) -> str:
    word = r"(?:except|but|other than|apart from|aside from|excluding|besides|save|bar|without)"
    pattern = (
        rf"\b{kind}(\d+),? \(?{word}(?: for| on| the)* {kind}(\d+)(?:,? (?:and|"
        rf"or) {kind}(\d+))?\)?(?P<where> ?, where)?"
    )

    def without(match: re.Match[str]) -> str:
        group = mentions[int(match[1])]
        if not group.group:
            return match[0]
        out = {n for g in match.groups()[1:3] if g for n in mentions[int(g)].names}
        readings = tuple(tuple(n for n in r if n not in out) for r in group.readings)
        out = {n for n in out if any(n in r for r in group.readings)}
        mentions.append(replace(group, readings=readings, but=tuple(sorted(out))))
        there = f" where on {kind}{match[2]}" if match["where"] else ""
        return f"{kind}{len(mentions) - 1},{there} " if there else f"{kind}{len(mentions) - 1} "

    return re.sub(pattern, without, text)


def _opening_exception(text: str, s: Skeleton) -> str:
    """ "Apart from A, every rule ..." and "everything except A ..."."""
    out = r"(?P<out>M\d+(?:(?:,| and|, and|,? or) M\d+)*)"
    word = r"(?:apart from|except(?: for)?|aside from|with exception of|excluding|other than|but)"
    opening = re.match(rf"{word} (?:for )?{out}, (?P<before>[^M]*?)M(?P<group>\d+)\b", text)
    if opening is None:
        return text
    group = s.models[int(opening["group"])]
    if not group.group or group.quant not in ("each", "none"):
        return text
    gone = {n for i in re.findall(r"M(\d+)", opening["out"]) for n in s.models[int(i)].names}
    readings = tuple(tuple(n for n in r if n not in gone) for r in group.readings)
    s.models.append(replace(group, readings=readings))
    return f"{opening['before']}M{len(s.models) - 1}" + text[opening.end() :]


def _lists(text: str, kind: str, mentions: list[Mention]) -> str:
    one = rf"{kind}\d+"
    joint = r"(?:,? (?:and|or|as well as) (?:on |in |for )?|, (?:on |for )?| ?/ ?| ?& ?| ?\+ ?|–)"
    last = r"(?:,? (?:and|or|nor|as well as) (?:on |in |for )?| ?/ ?| ?& ?| ?\+ ?|–)"
    pattern = rf"\b(?P<q>both |neither |either |only )?{one}(?:{joint}{one})*{last}{one}\b"

    def merged(match: re.Match[str]) -> str:
        parts = [mentions[int(i)] for i in re.findall(rf"{kind}(\d+)", match[0])]
        if any(p.single is None for p in parts):
            return match[0]
        quant = {"neither": "none", "only": "only"}.get((match["q"] or "").strip(), "each")
        if quant == "each" and re.search(r"\bor\b", match[0]):
            quant = "any"
        mentions.append(Mention((tuple(p.names[0] for p in parts),), quant))
        return f"{kind}{len(mentions) - 1}"

    text = re.sub(pattern, merged, text)
    # A list of commas alone, in parentheses, is a list too.
    return re.sub(rf"(?<=\(){one}(?:, {one})+(?=\))", _one_mention(kind, mentions), text)


def _one_mention(kind: str, mentions: list[Mention]) -> Callable[[re.Match[str]], str]:
    def merged(match: re.Match[str]) -> str:
        parts = [mentions[int(i)] for i in re.findall(rf"{kind}(\d+)", match[0])]
        mentions.append(Mention((tuple(n for p in parts for n in p.names),)))
        return f"{kind}{len(mentions) - 1}"

    return merged


def _only(mentions: list[Mention], kind: str, match: re.Match[str]) -> str:
    mention = mentions[int(match[1])]
    if mention.group:
        return match[0]
    mentions.append(replace(mention, quant="only"))
    return f"{kind}{len(mentions) - 1}"
