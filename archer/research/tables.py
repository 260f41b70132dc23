"""The loop's tables, in the database of the trials. A change here is a new VERSION."""

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Float,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    select,
    update,
)

from archer.errors import ArcherError
from archer.store.opening import lock
from archer.store.schema import meta

VERSION = 2
KEY = "research"  # in the store's table `meta`: the version of these tables

TABLES = MetaData()

# One `archer research`: its settings as JSON, and the process at work on it. costs: of built-in
# rules, JSON by name. reached: the most a language model can have cost so far, JSON of a Spent.
sessions = Table(
    "research_sessions",
    TABLES,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("settings", Text, nullable=False),
    Column("environment", Text, nullable=False),
    Column("costs", Text, nullable=False, default="{}"),
    Column("reached", Text, nullable=False, default="{}"),
    Column("machine", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("born", Text, nullable=False),
    Column("started", Float(53), nullable=False),
    Column("ended", Float(53)),
    Column("why", Text, nullable=False, default=""),
)

# Until when (seconds since 1970) the process that a session names has a right to it; the process
# moves it on while it lives. Since version 2.
holds = Table(
    "research_holds",
    TABLES,
    Column("session", ForeignKey("research_sessions.id"), primary_key=True),
    Column("until", Float(53), nullable=False),
)

# One row per proposal asked for. arm: search or control. source is empty where nothing came of it.
# graph, hash, behaviour, cost: once the gates have passed it. outcome: see proposal.Outcome.
candidates = Table(
    "research_candidates",
    TABLES,
    Column("id", String(12), primary_key=True),
    Column("session", ForeignKey("research_sessions.id"), nullable=False),
    Column("arm", String(8), nullable=False),
    Column("number", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("proposal", Text, nullable=False),  # JSON of a Proposal without source and dialogue
    Column("graph", Text),
    Column("hash", Text, nullable=False, default=""),
    Column("behaviour", Text, nullable=False, default=""),
    Column("protection", Text, nullable=False, default="[]"),
    Column("cost", Float(53)),
    Column("outcome", String(8), nullable=False),
    Column("reason", Text, nullable=False, default=""),
    Column("stage", String(8), nullable=False, default=""),
    Column("asking", Float(53), nullable=False, default=0.0),  # seconds
    Column("gating", Float(53), nullable=False, default=0.0),
    Column("training", Float(53), nullable=False, default=0.0),
    Column("asked", Float(53), nullable=False),  # seconds since 1970
    Column("ended", Float(53)),
    UniqueConstraint("session", "arm", "number"),
)

verdicts = Table(
    "research_verdicts",
    TABLES,
    Column("candidate", ForeignKey("research_candidates.id"), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("gate", Text, nullable=False),
    Column("passed", Boolean),
    Column("reason", Text, nullable=False),
    Column("seconds", Float(53), nullable=False),
)

# Prompts and answers, one message a row, as JSON.
dialogues = Table(
    "research_dialogues",
    TABLES,
    Column("candidate", ForeignKey("research_candidates.id"), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("message", Text, nullable=False),
)

# rule: a candidate's id or a built-in rule's name. split: validation, or test for the seeds of the
# final comparison. accuracy: of a task at a seed; NULL where there is none.
scores = Table(
    "research_scores",
    TABLES,
    Column("session", ForeignKey("research_sessions.id"), primary_key=True),
    Column("rule", String(40), primary_key=True),
    Column("stage", String(8), primary_key=True),
    Column("split", String(10), primary_key=True),
    Column("task", String(40), primary_key=True),
    Column("seed", Integer, primary_key=True, autoincrement=False),
    Column("accuracy", Float(53)),
)


def prepare(connection: Connection, where: str) -> None:
    """Make what tables are missing. Raises ArcherError if they are newer than this Archer."""
    lock(connection)
    found = connection.scalar(select(meta.c.value).where(meta.c.key == KEY))
    _known(found, where)
    if found is None:
        TABLES.create_all(connection)
        connection.execute(meta.insert().values(key=KEY, value=str(VERSION)))
    elif int(found) < VERSION:
        TABLES.create_all(connection)
        connection.execute(update(meta).where(meta.c.key == KEY).values(value=str(VERSION)))


def exist(connection: Connection, where: str) -> bool:
    """Whether a loop has used this store. Raises ArcherError if it was of a newer Archer."""
    found = connection.scalar(select(meta.c.value).where(meta.c.key == KEY))
    _known(found, where)
    return found is not None


def _known(version: str | None, where: str) -> None:
    if version is not None and not (version.isdigit() and int(version) <= VERSION):
        raise ArcherError(
            f"{where} holds research of a newer Archer (version {version}, this one knows "
            f"{VERSION}): update Archer, or name another folder"
        )
