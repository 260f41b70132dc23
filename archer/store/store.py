"""The store: what is known of every trial, for as many processes as like."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Table, select
from sqlalchemy.dialects import postgresql, sqlite

from archer.mad.plan import Plan, Population
from archer.rules.described import described, own_rules
from archer.store import chosen, rows
from archer.store.environment import RULES, environment
from archer.store.errors import told
from archer.store.owner import Owner, this_process
from archer.store.run import ENDED, LEASE_SECONDS, Run, now
from archer.store.schema import curves, plans, populations, runs, trials
from archer.train.results import EpochMetrics, MemberResult

ONLY_READS = "archer_only_reads"  # an execution option


class Store:
    """Every trial by its id, in a SQL database.

    Guarantees, for any number of threads, processes and machines on one database:
    - A trial that has ended (finished, stopped, diverged) never changes again, nor its curve.
    - A population is claimed whole or not at all, and a trial is held by one run at a time: two
      runs never train it at the same time, and never again once it has ended.
    - What a run holds is free once the run is closed, once its process is gone (on the same
      machine) or once it has shown no life for its lease (on another); from then on a result it
      may still bring is refused if another run has taken the trial.
    - Results of one call are stored all together or not at all, and survive the death of this
      process as soon as the call has returned.
    - Numbers come back as they were, to the last bit; NaN comes back as NaN.
    Every method raises ArcherError, in one line, if the database cannot be read or written.
    folder: where its file lies; None for a database on a server.
    """

    def __init__(self, engine: Engine, where: str, folder: Path | None = None) -> None:
        self._engine, self.where, self.folder = engine, where, folder

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes every connection."""
        self._engine.dispose()

    def begin(
        self,
        plan: Plan,
        device: str,
        *,
        owner: Owner | None = None,
        lease: float = LEASE_SECONDS,
    ) -> Run:
        """Record a plan, its trials and populations, and a run that will work on them.

        owner: this process by default. lease: seconds a run without a sign of life keeps its
        trials.
        """
        owner = owner or this_process()
        planned = _plan_row(plan)
        with self.transaction() as connection:
            _add(connection, plans, [planned])
            _add_rates(connection, planned["id"], plan)
            _add(connection, trials, _trial_rows(plan))
            began = now(connection)
            found = connection.execute(
                runs.insert().values(
                    plan=planned["id"],
                    device=device,
                    environment=json.dumps(environment(device) | _own_rules(plan)),
                    machine=owner.machine,
                    pid=owner.pid,
                    born=owner.born,
                    started=began,
                    until=began + lease,
                )
            )
            assert found.inserted_primary_key is not None
            return Run(self._engine, self.where, found.inserted_primary_key[0], lease)

    def keep(self, planned: Iterable[Population]) -> None:
        """Record populations, members in order; those it knows already keep their place."""
        with self.transaction() as connection:
            _add(connection, populations, [_population_row(each) for each in planned])

    def populations(self) -> list[tuple[str, ...]]:
        """Members of every recorded population, the oldest first."""
        with self.reading() as connection:
            found = select(populations.c.id, populations.c.members).order_by(populations.c.id)
            return [rows.members(id, text) for id, text in connection.execute(found)]

    def states(self, ids: Sequence[str]) -> dict[str, tuple[str, str]]:
        """(status, reason) of those of these trials it knows.

        A trial whose run is gone is "waiting", whatever its row says.
        """
        found: dict[str, tuple[str, str]] = {}
        with self.reading() as connection:
            living = self._living(connection)
            for some in rows.chunks(ids):
                query = select(trials.c.id, trials.c.status, trials.c.reason, trials.c.run)
                for id, status, reason, run in connection.execute(
                    query.where(trials.c.id.in_(some))
                ):
                    gone = status == "running" and run not in living
                    found[id] = ("waiting", "") if gone else rows.state(id, status, reason)
        return found

    def _living(self, connection: Connection) -> set[int]:
        at = now(connection)
        found = connection.execute(select(runs).where(runs.c.ended.is_(None)))
        return {row.id for row in found if rows.holds_still(row, at)}

    def results(self, ids: Sequence[str]) -> dict[str, MemberResult]:
        """Results, with their curves, of those of these trials that have ended."""
        found: dict[str, MemberResult] = {}
        with self.reading() as connection:
            for some in rows.chunks(ids):
                ended = select(trials.c.id, trials.c.result).where(
                    trials.c.id.in_(some), trials.c.status.in_(ENDED)
                )
                history: dict[str, list[EpochMetrics]] = {}
                by_epoch = select(curves).where(curves.c.trial.in_(some)).order_by(curves.c.epoch)
                for row in connection.execute(by_epoch):
                    history.setdefault(row[0], []).append(rows.epoch(row))
                for id, summary in connection.execute(ended):
                    found[id] = rows.result(id, summary, history.get(id, ()))
        return found

    def devices(self, ids: Sequence[str]) -> dict[str, str]:
        """The device each of these trials was trained on, where it has ended."""
        found: dict[str, str] = {}
        with self.reading() as connection:
            for some in rows.chunks(ids):
                query = select(trials.c.id, runs.c.device).join(runs, trials.c.run == runs.c.id)
                query = query.where(trials.c.id.in_(some), trials.c.status.in_(ENDED))
                found |= {row.id: row.device for row in connection.execute(query)}
        return found

    def plans(self) -> list[dict[str, Any]]:
        """What was asked: preset, protocol, and rows of (rule, task, trial id, identical to).

        rates: a tuple of `ChosenRates`, of none where the grid was asked for.
        """
        with self.reading() as connection:
            rates = chosen.by_plan(connection)
            found = connection.execute(select(plans)).mappings()
            return [rows.plan(dict(row), rates.get(row["id"], ())) for row in found]

    def runs(self) -> list[dict[str, Any]]:
        """Every run in order of its start; `alive`: whether it still holds its trials."""
        with self.reading() as connection:
            living = self._living(connection)
            asked = set(connection.scalars(select(plans.c.id)))
            found = connection.execute(select(runs).order_by(runs.c.id)).mappings()
            return [rows.run(dict(row), asked, row["id"] in living) for row in found]

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A connection to the database: all that is done with it is kept, or none of it."""
        with told(self.where), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection to read by; on a file it keeps no writer waiting, and waits for none."""
        with told(self.where), self._engine.connect() as connection:
            connection.execution_options(**{ONLY_READS: True})
            with connection.begin():
                yield connection


def _add(connection: Connection, table: Table, new: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows, leaving those that are there as they are."""
    insert: sqlite.Insert | postgresql.Insert = sqlite.insert(table)
    if connection.dialect.name == "postgresql":
        insert = postgresql.insert(table)
    if new:
        connection.execute(insert.on_conflict_do_nothing(), list(new))


def _plan_row(plan: Plan) -> dict[str, Any]:
    asked = [[r.rule, r.trial.setting.task, r.trial.id, r.identical_to] for r in plan.rows]
    fields = {"preset": plan.preset.name, "protocol": plan.protocol, "rows": json.dumps(asked)}
    source = {"rates": chosen.rates_text(plan)} if plan.rates else {}
    return {"id": _hash(fields | source), **fields}


def _add_rates(connection: Connection, id: str, plan: Plan) -> None:
    if plan.rates:
        chosen.prepare(connection)
        row = {"plan": id, "rates": chosen.rates_text(plan)}
        _add(connection, chosen.chosen_rates, [row])


def _own_rules(plan: Plan) -> dict[str, Any]:
    """Whole graphs and texts: trials hold what acts on their length, and no words.

    Of rules that were read here; what a search tries is in its archive.
    """
    read = {name: rule for name, rule in own_rules(plan.rules).items() if rule.about is not None}
    return {RULES: {name: described(rule) for name, rule in read.items()}} if read else {}


def _trial_rows(plan: Plan) -> list[dict[str, Any]]:
    """In the order of ids, so that two processes never wait for each other."""
    found = {row.trial.id: row.trial for row in plan.rows}
    return [
        {"id": id, "trial": json.dumps(found[id].to_json()), "status": "waiting", "reason": ""}
        for id in sorted(found)
    ]


def _population_row(population: Population) -> dict[str, Any]:
    members = [trial.id for trial in population.trials]
    return {"key": _hash(members), "members": json.dumps(members)}


def _hash(data: Any) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:16]
