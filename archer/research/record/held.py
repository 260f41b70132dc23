"""What of a store can be recorded, where a search may share it with benchmarks and sweeps."""

import shlex
from dataclasses import dataclass
from pathlib import Path

from archer.mad.presets import SWEPT
from archer.research import tables
from archer.research.ledger import Ledger
from archer.store import Store, open_store
from archer.store.searched import asked_by_searches
from archer.sweeps.noted import noted


@dataclass(frozen=True)
class Held:
    """search: whether one is there. tables, sweeps: each with the options it takes."""

    where: str
    search: bool
    tables: tuple[str, ...]
    sweeps: tuple[str, ...]

    @property
    def others(self) -> tuple[str, ...]:
        """What is no search."""
        return self.tables + self.sweeps

    @property
    def kinds(self) -> int:
        """How many of search, tables and sweeps it has any of."""
        return sum(map(bool, (self.search, self.tables, self.sweeps)))

    @property
    def listed(self) -> str:
        """All of it in one line, for who has to choose."""
        each = ["the search (--search)"] * self.search + [*self.others]
        return f"{self.where} holds more than one record takes; choose {' or '.join(each)}"


def held(address: str | Path) -> Held:
    """Raises ArcherError for a store that cannot be read."""
    with open_store(address, create=False) as store:
        sweeps = (f"sweep {each.title} (--sweep {each.number})" for each in noted(store))
        return Held(store.where, _has_search(store), tuple(_tables(store)), tuple(sweeps))


def _has_search(store: Store) -> bool:
    with store.transaction() as connection:
        if not tables.exist(connection, store.where):
            return False
    return bool(Ledger(store, create=False).sessions())


def _tables(store: Store) -> list[str]:
    searched = asked_by_searches(store)
    names = dict.fromkeys(
        (plan["preset"], plan["protocol"])
        for plan in store.plans()
        if plan["id"] not in searched and not plan["preset"].endswith(SWEPT)
    )
    return [f"a table (--preset {shlex.quote(p)} --protocol {protocol})" for p, protocol in names]
