"""Accuracies of a search in the store: each function is a part of a transaction of the ledger's."""

import math

import pandas as pd
from sqlalchemy import Connection, delete, insert, select

from archer.research.tables import scores
from archer.store.errors import reading_row

SCORES = ("rule", "stage", "split", "task", "seed", "accuracy")


def insert_scores(
    connection: Connection, session: int, stage: str, split: str, found: pd.DataFrame
) -> None:
    """Columns rule, task, seed, accuracy; they replace what is there of a rule at a seed."""
    rows = [
        {
            "session": session,
            "rule": rule,
            "stage": stage,
            "split": split,
            "task": task,
            "seed": int(seed),
            "accuracy": None if math.isnan(accuracy) else float(accuracy),
        }
        for rule, task, seed, accuracy in found[["rule", "task", "seed", "accuracy"]].itertuples(
            index=False
        )
    ]
    here = (scores.c.session == session, scores.c.stage == stage, scores.c.split == split)
    for rule, seed in {(row["rule"], row["seed"]) for row in rows}:
        connection.execute(
            delete(scores).where(*here, scores.c.rule == rule, scores.c.seed == seed)
        )
    if rows:
        connection.execute(insert(scores), rows)


def read_scores(connection: Connection, session: int, split: str) -> pd.DataFrame:
    """Columns SCORES, by stage, rule, task and seed."""
    query = select(*(scores.c[name] for name in SCORES))
    query = query.where(scores.c.session == session, scores.c.split == split)
    order = query.order_by(scores.c.stage, scores.c.rule, scores.c.task, scores.c.seed)
    found = pd.DataFrame(connection.execute(order).all(), columns=list(SCORES))
    with reading_row(f"scores of session {session}"):
        return found.astype({"seed": int, "accuracy": float})
