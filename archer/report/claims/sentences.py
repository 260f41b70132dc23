"""From a sentence to the statements in it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from archer.report.claims import (
    changes,
    enumerations,
    field,
    hardest,
    orders,
    rankings,
    ratios,
    sameness,
    stray,
    values,
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
from archer.report.claims.skeleton import Reader
from archer.report.claims.statements import Statement
from archer.report.claims.table import AVERAGE, ScoreTable
from archer.report.claims.understood import understood


@dataclass(frozen=True)
class Found:
    """A statement, or None for something said that cannot be checked; note: why."""

    statement: Statement | None
    note: str | None = None


_VERB = (
    r"(?:(?:clearly |slightly |also |even |only |just |again |then |"
    r"marginally |substantially |strongly |significantly )?(?:is|are|"
    r"was|has|have|does|scor\w+|reach\w+|"
    r"improv\w+|hurt\w*|los\w+|lift\w*|boost\w*|beat\w*|trail\w*|lag\w*|"
    r"fall\w*|drop\w*|ris\w+|gain\w*|help\w*|add\w*|cost\w*|rank\w*|"
    r"lead\w*|win\w*|match\w*|outperform\w*|exceed\w*|"
    r"underperform\w*|degrad\w+|worsen\w*|reduc\w+|increas\w+|decreas\w+|"
    r"declin\w+|com(?:es|ing)|stay\w*|remain\w*|leav\w+|keep\w*|get\w*|"
    r"achiev\w+|surpass\w*|top\w*|damag\w+|harm\w*|sacrific\w+|giv\w+|"
    r"shows?|nearly|almost|doubl\w+|halv\w+|best|worst|last|second|third|"
    r"lowest|highest|worse|better|lower|higher|rais\w+|slip\w*|jump\w*|"
    r"climb\w*))\b"
)
_SPLIT = re.compile(
    r"\s*(?:;|\s—\s|\s–\s|\s-\s|,? (?:but|while|whereas|although|though|"
    r"yet|however|even though|and yet|despite|because|since|so that|"
    r"with only)(?: at same time)?\b|"
    rf", (?:and|with) (?=(?:M|T)\d)|,? where (?=on T\d)|,? and (?=M\d+,? "
    rf"(?:on T\d+ )?{_VERB})|,? and (?=(?:on|in|for) T\d+,? )|,? and "
    rf"(?={_VERB})|,? and (?=T\d+ {_VERB})|"
    rf", (?={_VERB})|, (?=(?:on|in) T\d+ M\d)|, (?=M\d+ (?:on T\d+ )?{_VERB}(?! "
    rf"(?:and|respectively)))|\. )\s*"
)
_INTRO = re.compile(
    r"^(?:and |but |however,? )?(?P<w>compared (?:to|with)|relative "
    r"to|versus|vs\.?|against|over|measured against|with respect to|"
    r"taking|next to|starting from|set against|unlike|in contrast to|"
    r"contrary to)"
    r" M(?P<m>\d+)(?: (?:as baseline|as reference))?[,:]? (?P<rest>.*)$"
)
_STEP = re.compile(
    r"\b(?:(?:moving|going|switching|scaling|stepping|changing|passing|"
    r"replacing|upgrading) )?from M(?P<a>\d+) to M(?P<b>\d+)(?! \()|"
    r"(?<!→ )(?<![>] )\bM(?P<c>\d+) ?→ ?M(?P<d>\d+)(?! ?[→(])"
)
# What a split left over of a construction that the grammar does not follow.
_SHARD = re.compile(
    r"(?:all|none|some|most|both|either|any|everyone|everything|nothing|of (?!M\d|\d$).*|"
    r"(?:if|unless|ignoring|leaving|discounting|disregarding|dropping(?! M\d+ [a-z])|"
    r"setting aside|without|were|"
    r"suppose|supposing|assuming|provided|once|until|in case)\b.*|"
    r"(?:apart|aside|except|excluding|other than|besides|save|with exception)\b.*)[.,]?"
)
_COST = re.compile(
    r",? ?(?:but )?\b(?:at (?:cost|expense|price) of|trading (?:away|"
    r"off)|in exchange for|(?:while |by )?sacrificing|(?:while |by )?giving "
    r"up)\b(?P<rest>.*)$"
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
    pieces, here = _clauses(skeleton, here)
    shards = any(_SHARD.fullmatch(piece) for piece in pieces)
    plain = all(understood(Clause(piece, skeleton, table, here)) for piece in pieces)
    for text in pieces:
        predicted = (predicted and not CONTRAST.match(text.lstrip(", "))) or _predicts(text)
        body = re.sub(r"^(?:but|however|yet|instead|in fact|measured|observed)[,:]? ", "", text)
        clause = Clause(body, skeleton, table, replace(here), shards=shards, plain=plain)
        found += _clause(clause, predicted, foreign)
        here = _carry(clause, here)
    return found, _leave(skeleton, here, context)


def _without_names(text: str, table: ScoreTable) -> str:
    own = "|".join(
        {re.escape(w) for m in table.models for w in re.findall(r"[A-Za-z0-9]+", m)}
        | {"DeltaNet", "GDN", "MAD"}
        | {m[0] for n in table.models if (m := re.match(r"[A-Za-z]{3,}", n))}
    )
    return re.sub(rf"\b(?i:{own})(?:-?\d+)?s?\b", " ", text)


def _predicts(text: str) -> bool:
    return bool(PREDICTION.search(FACT_AFTER_ALL.sub(" ", text)))


def _clauses(s: Skeleton, here: Context) -> tuple[list[str], Context]:
    """The clauses of a skeleton, with an opening "compared with M," taken as the reference."""
    text = s.text
    intro = _INTRO.match(text)
    if intro:
        if intro["w"] not in ("unlike", "in contrast to", "contrary to"):
            here = replace(here, base=s.models[int(intro["m"])])
        text = intro["rest"]
    text = re.sub(
        r"\b(best|top|highest|strongest|first) and (worst|bottom|lowest|weakest|last)\b",
        r"\1-and-\2",
        text,
    )
    text = re.sub(r"^((?:of|among|amongst|within|out of) M\d+), (?=M)", r"\1 : ", text)
    text = re.sub(r"^((?:with|at|scoring|averaging) [^M,]*), (?=M)", r"\1 : ", text)
    step = _STEP.search(text)
    old, new = (step["a"] or step["c"], step["b"] or step["d"]) if step else (None, None)
    if step and old and new and s.models[int(old)].single and s.models[int(new)].single:
        here = replace(here, base=s.models[int(old)])
        text = text[: step.start()] + f"M{new}" + text[step.end() :]
    pieces = [p.strip(" ,") for p in _SPLIT.split(text) if p and p.strip(" ,")]
    out: list[str] = []
    for piece in pieces:
        cost = _COST.search(piece)
        if cost and cost.start() > 0:
            out.append(piece[: cost.start()].strip())
            out.append("hurts " + cost["rest"].strip())
        else:
            out.append(piece)
    return _rejoin(out), here


def _rejoin(pieces: list[str]) -> list[str]:
    """A piece with a figure or a name but nothing said of it belongs to the one before."""
    out: list[str] = []
    for piece in pieces:
        bare = not re.search(r"[MTNR]\d", piece) or re.fullmatch(r"(?:M|N)\d+", piece)
        if out and bare and piece.count(" ") < 4 and not triggers(piece):
            out[-1] += ", " + piece
        else:
            out.append(piece)
    return out


def _clause(clause: Clause, predicted: bool, foreign: bool) -> Iterator[Found]:
    if not _checkable(clause):
        return
    if predicted:
        yield Found(None, "prediction")
        return
    if foreign or ELSEWHERE.search(clause.text):
        yield Found(None)
        return
    whole = field.find(clause) or ratios.lost_parts(clause) or hardest.find(clause)
    for statement in whole:  # a full reading by itself
        yield Found(statement)
    if whole:
        return
    statements: list[Statement] = []
    for finder in (
        ratios.find,
        changes.find,
        rankings.tasks_of_model,
        sameness.find,
        values.find,
        rankings.find,
        orders.find,
    ):
        statements += finder(clause)
    statements = _consistent(statements, clause.table)
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


def _says(statement: Statement, table: ScoreTable) -> bool:
    """Other readings of a clause count only where they decide something."""
    return statement.judge(table).status != "unchecked"


def _consistent(statements: list[Statement], table: ScoreTable) -> list[Statement]:
    """Of two comparisons in one clause, one true and one false, the second is a misreading."""
    outcomes = [statement.judge(table) for statement in statements]
    said = {o.status for o in outcomes if o.stated is None}
    if not {"confirmed", "refuted"} <= said:
        return statements
    pairs = zip(statements, outcomes, strict=True)
    return [Unsure(s) if o.stated is None else s for s, o in pairs]


def _checkable(clause: Clause) -> bool:
    """A figure beside a name, or a comparison between names."""
    text = clause.text
    named = re.search(r"[MT]\d", text)
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
    if re.search(r"^(?:rank )?(?:order|ranking)\b|\b(?:order|ranking) is\b", text):
        return len(clause.models()) > 1
    if re.search(r"M\d+ ?[><≥≤»] ?M\d", text):
        return True
    if rankings.WIDEST.search(text):
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
    tasks = clause.tasks()[-1][2] if clause.tasks() else here.tasks
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
    return Context(here.subject if s.models else before.subject, tasks, before.base)
