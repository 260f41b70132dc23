"""Groups of rows and columns: "all state-update variants", "three of six tasks", "nothing"."""

import re
from collections import Counter
from dataclasses import replace

from archer.report.claims.counted import BARE_COUNT, bare_count, quantified
from archer.report.claims.mentions import Mention, Skeleton, add_models, add_tasks
from archer.report.claims.names import group_of
from archer.report.claims.table import ScoreTable, words
from archer.report.claims.task_names import task_group

_QUANT = (
    r"(?:half(?: of)?|all but \d+(?: of)?|only \d+(?: of)?|all of|each of|every one of|none of|"
    r"neither of|"
    r"most of|both of|some of|either of|any of"
)


_QUANT += r"|only|all|each|every|none|no|neither|most|both|some|several|any|the other|the remaining"


_QUANT += (
    r"|the rest of|at least \d+(?: of| out of)?|exactly \d+(?: of| out of)?|"
    r"other|the|\d+(?: of| out of)?)"
)


_MODEL_NOUN = (
    r"(?:models|variants|rules|rows|methods|architectures|modifications|mixers|configurations"
)


_MODEL_NOUN += (
    r"|mechanisms|networks|nets|detectors|optimi[sz]ers|backbones|encoders|"
    r"runs|ones|agents|algorithms|players|ablations|classifiers|decoders|learners|approaches|"
    r"alternatives|candidates|entries|competitors|others|"
    r"baselines|systems"
)


_MODEL_NOUN += (
    r"|ablation|configuration|option|contender|mixer|mechanism|decoder|alternative|competitor"
    r"|model|variant|rule|row|network|detector|optimi[sz]er|backbone|encoder|"
    r"agent|algorithm|approach|method|architecture|modification|candidate|entry|system)"
)


_TASK_NOUN = (
    r"(?:tasks|benchmarks|columns|metrics|categories|datasets|suites|tests|"
    r"problems|evals|evaluations|games|directions|sets|subsets|splits|languages|"
    r"language pairs|environments|domains|conditions|challenges|exams|"
    r"task|benchmark|column|metric|dataset|category|problem|game|direction|"
    r"split|language|environment|domain|condition)"
)


_WORD = (
    r"(?!(?:of|all|by|than|is|are|and|or|on|in|for|to|as|lowest|highest|"
    r"best|worst|second|among|with|that|which|any|every|each|across|over|"
    r"between|from|per|at|most|only|its|their|these|those|this|under|by)\b)[a-z][\w+-]*"
)


_VARIANT_NOUNS = (
    "variants",
    "modifications",
    "alternatives",
    "others",
    "candidates",
    "variant",
    "competitors",
)


_LENGTHS = r"(?:context |sequence |input |window )?(?:lengths?|sizes?|windows?)|contexts?"


def _lengths(table: ScoreTable) -> bool:
    """Are the columns lengths: "2k", "4k"?"""
    return all(re.fullmatch(r"\d+ ?[kKmM]?", task) for task in table.tasks)


def lift_groups(table: ScoreTable, text: str, s: Skeleton) -> str:
    def tasks(match: re.Match[str]) -> str:
        return _task_group(table, match, s)

    def models(match: re.Match[str]) -> str:
        return _model_group(table, match, s)

    quant, of = rf"\b(?P<q>{_QUANT}) ", r"(?:of )?(?:the )?(?:total )?(?:(?P<n>\d+) )?"
    nouns = _TASK_NOUN if not _lengths(table) else f"{_TASK_NOUN[:-1]}|{_LENGTHS})"
    task = rf"{quant}{of}(?P<adj>(?:{_WORD} ){{0,2}})(?P<noun>{nouns})\b"
    text = re.sub(task, tasks, text)
    recall = (
        rf"{quant}{of}(?P<adj>recall) ?(?P<noun>{_TASK_NOUN}|variants|settings|"
        rf"scores)?\b(?! [MT]\d)"
    )
    text = re.sub(recall, tasks, text)
    text = re.sub(
        rf"(?P<q>)(?P<n>)\b(?P<adj>(?!other|same|which|these|those){_WORD} "
        rf")(?P<noun>tasks|benchmarks|datasets|columns)\b",
        tasks,
        text,
    )
    text = re.sub(BARE_COUNT, lambda m: bare_count(table, m, s), text)
    text = _plurals(table, text, s)
    model = rf"{quant}{of}(?P<adj>(?:(?:{_WORD}|M\d+) ){{0,3}})(?P<noun>{_MODEL_NOUN})\b"
    text = re.sub(model, models, text)
    bare = (
        rf"(?P<q>)(?P<n>)(?:^|(?<=[ (]))(?P<adj>(?:(?!on |in |of |by |and "
        rf"|as |to |both |these |those |which |than |for )(?:{_WORD}|M\d+) "
        rf"){{1,2}})(?P<noun>variants|models|rules|rows)\b"
    )
    text = re.sub(bare, models, text)
    return re.sub(
        r"\b(?:across the board|everywhere|in every case|on everything)\b"
        r"|(?<=\s)(?P<any>anywhere)\b(?=\W*$)",
        lambda m: (
            "on " + add_tasks(s, Mention((table.tasks,), "any" if m["any"] else "each", group=True))
        ),
        text,
    )


def lift_nobody(table: ScoreTable, text: str, s: Skeleton) -> str:
    """ "Nothing beats M", "A and B are the only models above 0.7"."""
    none = (
        r"\b(?:nothing|nobody|no one|none)\b(?! of\b)"
        r"(?= (?:(?:else|even|ever|really|clearly|yet) )?(?:[a-z]+s|get|come|did|has|is)\b)"
    )
    text = re.sub(
        r"\b(?:everything|everyone|everybody|all|anything|any)"
        r"(?= (?:except|but|other than|apart from|besides) (?:for )?(?:the )?M\d)",
        lambda _: add_models(s, Mention((table.models,), group=True)),
        text,
    )
    mention = Mention((table.models,), "none", group=True)
    text = re.sub(none, lambda _: add_models(s, mention), text)
    only = (
        rf"\b(?:is|are|was|were) (?:the )?only (?P<adj>(?:{_WORD} ){{0,2}}?)(?:{_MODEL_NOUN}|"
        rf"{re.escape(table.noun)}s?|one|two|ones)(?: (?:that|which|to|with))?\b"
    )
    return re.sub(only, lambda m: " onlyones " + ("muddy " if m["adj"] else ""), text)


def _plurals(table: ScoreTable, text: str, s: Skeleton) -> str:
    """ "the ViTs": the rows whose names begin with that word."""
    stems = Counter(m[0].lower() for row in table.models if (m := re.match(r"[A-Za-z]{3,}", row)))
    for stem, n in stems.items():
        if n > 1:
            names = tuple(r for r in table.models if r.lower().startswith(stem))
            mention = Mention((names,), group=True)
            plural = rf"\b(?:all |both )?(?:the )?{stem}s\b"
            if re.search(plural, text):
                text = re.sub(plural, f" {add_models(s, mention)} ", text)
    return text


def _task_group(table: ScoreTable, match: re.Match[str], s: Skeleton) -> str:
    quant = match["q"].strip() if match["q"] else "all"
    adjective = (match["adj"] or "").strip()
    plural = (match["noun"] or "tasks").endswith("s") or quant in ("every", "each", "no", "any")
    plural = plural or bool(re.search(r"\d", quant))
    other = bool(re.search(r"\b(?:other|remaining|rest)\b", f"{quant} {adjective}"))
    adjective = re.sub(r"\b(?:other|remaining|rest|of|the)\b", "", adjective).strip()
    names = task_group(table, adjective)
    if names is None or not plural:
        return match[0] if not plural else " unknowngroup "
    if other:
        names = tuple(t for t in names if all(t not in m.names for m in s.tasks))
    mention = quantified(quant, match["n"], names)
    return f" {add_tasks(s, mention)} " if mention else " unknowngroup "


def _model_group(table: ScoreTable, match: re.Match[str], s: Skeleton) -> str:
    quant = match["q"].strip() if match["q"] else "all"
    noun, adjective = match["noun"], (match["adj"] or "").strip()
    plural = noun.endswith("s") or quant in ("every", "each", "no", "any", "none of", "only 1")
    if not plural or noun == "baselines":
        return match[0]
    other = (
        bool(re.search(r"\b(?:other|remaining|rest)\b", f"{quant} {adjective}")) or noun == "others"
    )
    adjective = re.sub(
        r"\b(?:other|remaining|rest|of|the|tested|tried|new|modified|evaluated)\b",
        "",
        adjective,
    ).strip()
    readings = _readings(table, adjective, noun, s)
    if readings is None:
        return " unknowngroup "
    if other:
        spoken = {n for m in s.models if not m.group for n in m.names}
        kept = [tuple(n for n in r if n not in spoken) for r in readings]
        readings = [r for r in kept if r] or readings
    sized = [r for r in readings if match["n"] and len(r) == int(match["n"])]
    mention = quantified(quant, match["n"], (sized or readings)[0])
    if mention is None:
        return " unknowngroup "
    if match["n"] or re.fullmatch(r"\d+", quant):
        readings = [r for r in readings if len(r) == len(mention.names)]  # of that very number
    mention = replace(mention, readings=tuple(dict.fromkeys(readings)))
    return f" {add_models(s, mention)} "


def _readings(
    table: ScoreTable, adjective: str, noun: str, s: Skeleton
) -> list[tuple[str, ...]] | None:
    lifted = re.fullmatch(r"M(\d+)", adjective)
    if lifted:
        name = s.models[int(lifted[1])].names[0]
        if name != table.baseline:
            return None
        adjective = "delta" if "delta" in name else name
    if adjective:
        return group_of(table, adjective)
    every = table.models
    if table.baseline is None:
        return [every]
    without = tuple(m for m in every if m != table.baseline)
    family = tuple(m for m in without if words(table.baseline)[0] in words(m)) or without
    ways = [without, family, every] if noun in _VARIANT_NOUNS else [every, without]
    return list(dict.fromkeys(ways))
