"""Which plans of a store train at rates chosen beforehand, and what these were chosen by."""

import json

from sqlalchemy import Column, Connection, MetaData, String, Table, Text, inspect, select, text

from archer.mad.plan import Plan
from archer.mad.rates import ChosenRates
from archer.store.errors import reading_row

LOCK = 0x63686F73  # of PostgreSQL's advisory locks: one process at a time makes the table

# Made with the first such plan: a store without one is as it ever was.
chosen_rates = Table(
    "chosen_rates",
    MetaData(),
    Column("plan", String(16), primary_key=True),  # an id of `plans`
    Column("rates", Text, nullable=False),  # JSON: a list of what `ChosenRates.to_json` gives
)


def prepare(connection: Connection) -> None:
    """Make the table, if it is not there."""
    if connection.dialect.name == "postgresql":  # SQLite has one writer at a time anyway
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
    chosen_rates.create(connection, checkfirst=True)


def rates_text(plan: Plan) -> str:
    """What the table holds of a plan."""
    return json.dumps([each.to_json() for each in plan.rates])


def by_plan(connection: Connection) -> dict[str, tuple[ChosenRates, ...]]:
    """By id, the rates of every plan that has them."""
    if not inspect(connection).has_table(chosen_rates.name):
        return {}
    found = {}
    for row in connection.execute(select(chosen_rates)):
        with reading_row(f"chosen rates of plan {row.plan}"):
            found[row.plan] = tuple(map(ChosenRates.from_json, json.loads(row.rates)))
    return found
