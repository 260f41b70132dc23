"""What reports read of a search: the ledger in a store, or a record of one."""

from typing import Any, Protocol

import pandas as pd

from archer.research.entries import Arm, Entry, Session
from archer.research.verdict import Verdict


class Book(Protocol):
    """where: for people, its database or folder. The methods are those of `Ledger`."""

    @property
    def where(self) -> str: ...

    def sessions(self) -> list[Session]: ...

    def entries(self, session: int | None = None, arm: Arm | None = None) -> list[Entry]: ...

    def entry(self, id: str) -> Entry: ...

    def verdicts(self, entry: Entry) -> list[Verdict]: ...

    def dialogue(self, entry: Entry) -> list[Any]: ...

    def scores(self, session: int, split: str = "validation") -> pd.DataFrame: ...
