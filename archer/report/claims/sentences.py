"""From a sentence to the statements in it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from archer.report.claims import (
    across,
    changes,
    columns,
    enumerations,
    field,
    hardest,
    orders,
    rankings,
    ratios,
    sameness,
    seeds,
    stray,
    values,
    widest,
)
from archer.report.claims.clause import Clause, Context
from archer.report.claims.combine import Unsure
from archer.report.claims.doubt import Doubted
from archer.report.claims.grammar import (
    CONTRAST,
    ELSEWHERE,
    FACT_AFTER_ALL,
    FOREIGN,
    MUDDY,
    PREDICTION,
    triggers,
)
from archer.report.claims.mentions import Skeleton
from archer.report.claims.over_seeds import SeedsAre
from archer.report.claims.significance import Significant
from archer.report.claims.skeleton import Reader
from archer.report.claims.splitting import clauses
from archer.report.claims.statements import Statement
from archer.report.claims.table import AVERAGE, ScoreTable
from archer.report.claims.understood import readable


@dataclass(frozen=True)
class Found:
    """A statement, or None for something said that cannot be checked; note: why."""

    statement: Statement | None
    note: str | None = None


# What a split left over of a construction that the grammar does not follow.
_SHARD = re.compile(
    r"(?:all|none|some|most|both|either|any|everyone|everything|nothing|"
    r"of (?!M\d|\d$|(?:its )?T\d+ : ).*|"
    r"(?:if|unless|ignoring|leaving|discounting|disregarding|dropping(?! M\d+ [a-z])|"
    r"setting aside|without|were|"
    r"suppose|supposing|assuming|provided|once|until|in case)\b.*|"
    r"(?:apart|aside|except|excluding|other than|besides|save|with exception)\b.*)[.,]?"
)


def find(sentence: str, reader: Reader, context: Context) -> tuple[list[Found], Context]:
    """What a sentence states, and the context it leaves for the next."""
    skeleton = reader.read(sentence)
    table = reader.table
    if sentence.rstrip().endswith("?"):
        return [], context
    found = [Found(statement) for statement in skeleton.beside]
    here = replace(context)
    foreign = bool(FOREIGN.search(_without_names(skeleton.lifted, table)))
    predicted = False
    pieces, here = clauses(skeleton, here)
    shards = any(_SHARD.fullmatch(piece) for piece in pieces)
    plain = all(readable(Clause(piece, skeleton, table, here)) for piece in pieces)
    of_seeds = _goes_on(skeleton, context)
    for text in pieces:
        of_seeds = of_seeds or bool(seeds.PICK.search(text))
        predicted = (predicted and not CONTRAST.match(text.lstrip(", "))) or _predicts(text)
        body = re.sub(r"^(?:but|however|yet|instead|in fact|measured|observed)[,:]? ", "", text)
        clause = Clause(body, skeleton, table, replace(here), shards=shards, plain=plain)
        clause.of_seeds = of_seeds
        found += _clause(clause, predicted, foreign)
        here = _carry(clause, here)
    if skeleton.over is not None and any(claim.statement for claim in found):
        found.append(Found(SeedsAre(skeleton.over)))
    return _with_direction(found, table), _leave(skeleton, here, context)


def _with_direction(found: list[Found], table: ScoreTable) -> list[Found]:
    """That a difference is significant says little where its direction is not as stated."""
    said = [c for c in found if isinstance(c.statement, Significant) and c.statement.one_way]
    rest = [c.statement for c in found if c.statement is not None and c not in said]
    if not said or any(statement.judge(table).status == "confirmed" for statement in rest):
        return found
    return [c for c in found if c not in said or _refuted(c, table)]


def _refuted(claim: Found, table: ScoreTable) -> bool:
    return claim.statement is not None and claim.statement.judge(table).status == "refuted"


def _without_names(text: str, table: ScoreTable) -> str:
    own = "|".join(
        {re.escape(w) for m in table.models for w in re.findall(r"[A-Za-z0-9]+", m)}
        | {"DeltaNet", "GDN", "MAD"}
        | {m[0] for n in table.models if (m := re.match(r"[A-Za-z]{3,}", n))}
    )
    return re.sub(rf"\b(?i:{own})(?:-?\d+)?s?\b", " ", text)


def _predicts(text: str) -> bool:
    return bool(PREDICTION.search(FACT_AFTER_ALL.sub(" ", text)))


def _clause(clause: Clause, predicted: bool, foreign: bool) -> Iterator[Found]:
    if not _checkable(clause):
        return
    if predicted:
        yield Found(None, "prediction")
        return
    if foreign or ELSEWHERE.search(clause.text):
        yield Found(None)
        return
    if clause.of_seeds:
        yield from _of_seeds(clause)
        return
    whole = (
        columns.find(clause)
        or field.find(clause)
        or across.find(clause)
        or ratios.lost_parts(clause)
        or hardest.find(clause)
    )
    for statement in whole:  # a full reading by itself
        yield Found(statement)
    if whole:
        return
    statements: list[Statement] = []
    for finder in (
        ratios.shares,
        ratios.find,
        changes.find,
        hardest.tasks_of_model,
        sameness.find,
        values.find,
        rankings.find,
        orders.find,
    ):
        statements += finder(clause)
    muddy = bool(MUDDY.search(clause.text)) or clause.text.count("(") != clause.text.count(")")
    muddy = muddy or clause.text.rstrip().endswith(("...", "…"))  # trails off: not all is said
    if muddy or clause.shards:
        judged: list[Statement] = [Unsure(statement) for statement in statements]
    else:
        judged = [Doubted(statement, clause) for statement in statements]
        outcomes = [statement.judge(clause.table) for statement in judged]
        judged += [s for s in stray.find(clause, outcomes) if _says(s, clause.table)]
    judged += [s for s in enumerations.find(clause) if _says(s, clause.table)]
    yield from (Found(statement) for statement in judged)
    if not judged or clause.left_over:
        yield Found(None)


def _of_seeds(clause: Clause) -> Iterator[Found]:
    """A clause about single seeds, or one that hangs on to such."""
    statements = seeds.find(clause) if seeds.PICK.search(clause.text) else []
    yield from (Found(statement) for statement in statements)
    if not statements:
        known = clause.table.details.seed_scores.size
        yield Found(None, seeds.UNREAD if known else seeds.UNKNOWN)


def _says(statement: Statement, table: ScoreTable) -> bool:
    """Other readings of a clause count only where they decide something."""
    return statement.judge(table).status != "unchecked"


def _checkable(clause: Clause) -> bool:
    """A figure beside a name, or a comparison between names."""
    text = clause.text
    named = re.search(r"[MT]\d", text)
    if seeds.PICK.search(text) and (named or clause.context.subject) and seeds.SAYS.search(text):
        return True
    numbers = [clause.skeleton.figures[i] for _, _, i in clause.find("N")] + [
        f for _, _, i in clause.find("R") for f in clause.skeleton.ranges[i]
    ]
    if numbers:
        return (
            bool(named)
            or clause.context.subject is not None
            or any(f.decimals >= 2 for f in numbers)
        )
    if not named and clause.context.subject is None:
        return False
    if hardest.find(clause):
        return True
    said = triggers(text) and any(t.sign for t in triggers(text))
    if re.search(r"^(?:rank )?(?:order|ranking)\b|\b(?:order|ranking)(?: is\b|:)", text):
        return len(clause.models()) > 1
    if re.search(r"M\d+ ?[><≥≤»] ?M\d", text):
        return True
    if widest.WIDEST.search(text):
        return bool(named)
    placed = rankings.PLACE.search(text) or sameness.ANY.search(text) or ratios.ANY.search(text)
    return bool(named) and bool(said or placed)


def _carry(clause: Clause, here: Context) -> Context:
    """The next clause of the sentence: same subject unless it names one, same task likewise."""
    models = [
        m
        for a, _, m in clause.models()
        if not re.search(
            r"(?:than|over|to|vs\.?|against|behind|(?:compared|level|on par) with)\s*$",
            clause.text[:a],
        )
    ]
    anybody = re.match(r"(?:best|highest|lowest|worst|top)\b", clause.text) and not here.near
    subject = models[0] if models else None if anybody else here.subject
    whole = [t for _, _, t in clause.tasks() if t.quant == "each"]
    tasks = whole[-1] if whole else here.tasks
    near = here.near or bool(models)
    if subject is not None and subject.quant in ("none", "any") and not subject.group:
        subject = replace(subject, quant="each")  # "neither A nor B ...; both ..."
    return replace(
        here, subject=subject, tasks=tasks, near=near, base=clause.said_base or here.base
    )


def _leave(s: Skeleton, here: Context, before: Context) -> Context:
    """For the next sentence: the subject stays; the task only when this one had just one."""
    named = {t.names for t in s.tasks if t.single}
    tasks = here.tasks if len(named) == 1 else before.tasks
    if tasks is not None and tasks.names == (AVERAGE,) and before.tasks is None:
        tasks = None
    of_seeds = bool(s.picks) or _goes_on(s, before)
    subject = here.subject if s.models else before.subject
    return Context(subject, tasks, before.base, of_seeds=of_seeds)


def _goes_on(s: Skeleton, before: Context) -> bool:
    """After a sentence about single seeds one that names neither a model nor a mean: "The worst has
    0.126." """
    return before.of_seeds and not s.models and all(t.names != (AVERAGE,) for t in s.tasks)
