"""Trials in a SQL database: what was trained is never trained again."""

from archer.store.opening import STORE_FILE, open_store
from archer.store.run import Run
from archer.store.store import Store

__all__ = ["STORE_FILE", "Run", "Store", "open_store"]
