"""The tables of a store. A change here is a new VERSION and a step in migrations.py."""

from sqlalchemy import Column, Float, ForeignKey, Integer, MetaData, String, Table, Text

VERSION = 1

TABLES = MetaData()

# schema: the version of these tables
meta = Table(
    "meta",
    TABLES,
    Column("key", String(40), primary_key=True),
    Column("value", Text, nullable=False),
)

# What was asked: the rows of its table, as JSON [[rule, task, trial id, identical to], ...].
plans = Table(
    "plans",
    TABLES,
    Column("id", String(16), primary_key=True),
    Column("preset", Text, nullable=False),
    Column("protocol", Text, nullable=False),
    Column("rows", Text, nullable=False),
)

# One command at work on the store. It holds its trials until `until` (seconds since 1970, which it
# moves on while it lives; of a process of the same machine until that is gone), or until `ended`.
runs = Table(
    "runs",
    TABLES,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("plan", ForeignKey("plans.id"), nullable=False),
    Column("device", Text, nullable=False),
    Column("environment", Text, nullable=False),  # JSON, see environment.py and RULES there
    Column("machine", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("born", Text, nullable=False),  # tells a process from a later one of the same pid
    Column("started", Float(53), nullable=False),
    Column("until", Float(53), nullable=False),
    Column("ended", Float(53)),
)

# status: waiting, running, failed, or how the training ended: finished, stopped, diverged.
trials = Table(
    "trials",
    TABLES,
    Column("id", String(16), primary_key=True),
    Column("trial", Text, nullable=False),  # JSON of archer.mad.trial.Trial
    Column("status", String(10), nullable=False),
    Column("reason", Text, nullable=False, default=""),
    Column("result", Text),  # JSON of a MemberResult without its history
    Column("run", ForeignKey("runs.id")),  # that holds it, or that trained it
)

# members: ids of trials in their order, as JSON; key: a hash of it.
populations = Table(
    "populations",
    TABLES,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("key", String(16), unique=True, nullable=False),
    Column("members", Text, nullable=False),
)

METRICS = ("accuracy", "plain_accuracy", "loss", "perplexity")

# Learning curves: a row per epoch; NULL is NaN.
curves = Table(
    "curves",
    TABLES,
    Column("trial", ForeignKey("trials.id"), primary_key=True),
    Column("epoch", Integer, primary_key=True, autoincrement=False),
    Column("train_loss", Float(53)),
    *(Column(f"validation_{metric}", Float(53)) for metric in METRICS),
    *(Column(f"test_{metric}", Float(53)) for metric in METRICS),
)
