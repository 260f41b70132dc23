"""The journal of searches in PostgreSQL, on a real server."""

import threading

from sqlalchemy import inspect

from archer.rules.load import builtin_graph
from archer.store import open_store
from archer.sweeps.journal import StoreJournal
from archer.sweeps.search import search
from archer.sweeps.values import read_swept

SWEPT = read_swept(builtin_graph("momentum"), ["momentum.mu=0.5:0.95"], search=True)


def find(store=None):
    def evaluate(points):
        return [1 - abs(dict(point.values)["momentum.mu"] - 0.6) for point in points]

    return search("tpe", SWEPT, (), 10, evaluate, name="found", store=store)


def test_a_search_is_kept_beside_our_tables(database):
    with open_store(database) as store:
        before = set(inspect(store._engine).get_table_names())
        assert find(store) == find()
        assert set(inspect(store._engine).get_table_names()) == before | {"search_journal"}
    with open_store(database) as store:
        assert find(store) == find()


def test_entries_of_many_writers_stay_in_one_order_and_together(database):
    with open_store(database) as store:
        StoreJournal(store)

    def write(writer: int) -> None:
        with open_store(database) as store:
            journal = StoreJournal(store)
            for batch in range(5):
                journal.append_logs([{"writer": writer, "at": 2 * batch + i} for i in range(2)])

    writers = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for each in writers:
        each.start()
    for each in writers:
        each.join()
    with open_store(database) as store:
        journal = StoreJournal(store)
        entries = list(journal.read_logs(0))
        assert list(journal.read_logs(33)) == entries[33:]
    assert len(entries) == 40
    for writer in range(4):
        assert [e["at"] for e in entries if e["writer"] == writer] == list(range(10))
    assert all(a["writer"] == b["writer"] for a, b in zip(entries[::2], entries[1::2], strict=True))
