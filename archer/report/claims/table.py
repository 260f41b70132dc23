"""The table that claims are held against."""

import math
import re

import numpy as np
import pandas as pd

from archer.errors import ArcherError
from archer.report.claims.details import Details

AVERAGE = "Average"
# Without seeds nothing is known of the noise, but a test set of 1,280 instances cannot resolve a
# smaller difference than about this.
RESOLUTION = 0.001
_ROW_NAMES = ("row", "model", "rule", "name", "variant", "method")
_NOT_SCORES = re.compile(
    r"\b(sd|std|low|high|ci|n|seeds?|seconds|time|params?|parameters|rank|loss|ppl|unnamed.*)\b",
    re.IGNORECASE,
)
# Rules that write differently but read as DeltaNet does, and do not decay: within one chunk they
# are DeltaNet (the engine runs its graph), and memorization is one chunk long.
_SAME_WITHIN_A_CHUNK = ((), ("decay",), ("error", "gated"), ("momentum",), ("adam",))
_FAMILY_WORDS = {"delta", "net", "deltanet", "state", "update", "in", "for", "loop", "rule"}


class ScoreTable:
    """Scores in [0, 1] per model (row) and task (column), with Average.

    models, tasks: names in the table's order (tasks without Average); absent: the tasks of MAD that
    a table of some of them lacks, with unknown scores, and so is their average; baseline: the row
    that others are compared with when a text does not say, or None when that is not clear.
    """

    def __init__(self, frame: pd.DataFrame, details: Details | None = None) -> None:
        self.percent, scores = _scores(frame)
        self.noun: str = str(frame.index.name or frame.columns[0]).strip().lower()
        average = next(
            (name for name in map(str, scores) if name.strip().lower() in _AVERAGES), None
        )
        tasks = scores.drop(columns=[average] if average else [])
        if tasks.shape[1] == 0:
            raise ArcherError("the table has no numeric columns; expected one column per task")
        means = scores[average] if average else tasks.mean(axis=1, skipna=False)
        self.values: pd.DataFrame = tasks.assign(**{AVERAGE: means})
        self.models: tuple[str, ...] = tuple(tasks.index)
        self.tasks: tuple[str, ...] = tuple(tasks.columns)
        self.absent: tuple[str, ...] = _absent(self.tasks)
        if self.absent and average is None:
            self.absent += (AVERAGE,)  # is of all six
        self._cells = {
            (m, t): float(x) for t, column in self.values.items() for m, x in column.items()
        }
        self.details = details or Details()
        self.baseline = _baseline(self.models)

    def score(self, model: str, task: str) -> float:
        return math.nan if task in self.absent else self._cells[model, task]

    def mean(self, model: str, tasks: tuple[str, ...]) -> float:
        return float(np.mean([self.score(model, task) for task in tasks] or [np.nan]))

    def note(self, a: str, b: str, task: str) -> str | None:
        """What to add to a difference between two models, if anything."""
        if self.identical(a, b, task):
            return "identical-by-construction"
        noise = self.details.within_noise(a, b, task)
        if noise is None:
            noise = abs(self.score(a, task) - self.score(b, task)) < RESOLUTION
        return "within-noise" if noise else None

    def identical(self, a: str, b: str, task: str) -> bool:
        known = self.details.identical
        if known is not None:
            return (a, b, task) in known or (b, a, task) in known
        return task.lower().startswith("memori") and _one_chunk(a) and _one_chunk(b)


# MAD's columns, and the words by which tables name them.
_MAD = {
    "Compress": ({"compress"}, {"compression"}),
    "Context Recall": ({"context", "recall"}, {"icr"}),
    "Fuzzy Recall": ({"fuzzy", "recall"}, {"fuzzy", "context", "recall"}),
    "Memorize": ({"memorize"}, {"memorization"}, {"memorise"}, {"memorisation"}),
    "Noisy Recall": ({"noisy", "recall"}, {"noisy", "context", "recall"}),
    "Selective Copy": ({"selective", "copy"}, {"selective", "copying"}),
}
_AVERAGES = {"average", "avg", "avg.", "mean", "overall"}


def words(name: str) -> tuple[str, ...]:
    """Lower-case words of a table name: "DeltaNet_4layer" is delta, net, 4layer."""
    parts = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return tuple(re.findall(r"[^\W_]+", parts.lower()))


def _absent(tasks: tuple[str, ...]) -> tuple[str, ...]:
    """What a text may speak of although the table, of some of MAD's tasks, has no column for it."""
    told = {task: frozenset(words(task)) - {"in"} for task in tasks}
    meant = {task: name for name, spelt in _MAD.items() for task in tasks if told[task] in spelt}
    return (
        tuple(name for name in _MAD if name not in meant.values())
        if len(meant) == len(tasks)
        else ()
    )


def _one_chunk(name: str) -> bool:
    all_words = words(name)
    own = tuple(w for w in all_words if w not in _FAMILY_WORDS and not w.endswith("layer"))
    return own in _SAME_WITHIN_A_CHUNK and (own != () or "delta" in all_words)


def _scores(frame: pd.DataFrame) -> tuple[bool, pd.DataFrame]:
    frame = _named_rows(frame)
    numbers = frame.select_dtypes("number")
    keep = [name for name in numbers if not _NOT_SCORES.search(str(name))]
    numbers = numbers[keep].astype(float).dropna(axis=1, how="all")
    numbers.columns = [str(name).strip() for name in numbers.columns]
    numbers = numbers.loc[:, [bool(top <= 100) for top in numbers.max()]]
    if numbers.empty:
        raise ArcherError("the table has no numeric columns; expected one column per task")
    percent = bool(numbers.max().max() > 1.5)
    return percent, numbers / 100 if percent else numbers


def _named_rows(frame: pd.DataFrame) -> pd.DataFrame:
    if not (frame.index.dtype.kind == "O" or isinstance(frame.index.dtype, pd.StringDtype)):
        texts = [c for c in frame if not pd.api.types.is_numeric_dtype(frame[c])]
        named = [c for c in texts if str(c).strip().lower() in _ROW_NAMES]
        if not texts:
            raise ArcherError(
                "the table has no column of row names; its first column must hold them"
            )
        frame = frame.set_index((named or texts)[0])
    frame = frame[frame.index.notna()]
    frame.index = [str(name).strip() for name in frame.index]
    if frame.index.has_duplicates:
        twice = frame.index[frame.index.duplicated()][0]
        raise ArcherError(f"the table has two rows named {twice!r}; give each row its own name")
    return frame


def _baseline(models: tuple[str, ...]) -> str | None:
    """A row called baseline; else the row whose name begins at least two others; else `delta`."""
    for model in models:
        if {"baseline", "control", "vanilla"} & set(words(model)):
            return model
    whole = [
        m for m in models if words(m)[0] in ("full", "complete", "whole") and len(words(m)) < 3
    ]
    lacking = sum(bool({"no", "without", "wo", "minus"} & set(words(m))) for m in models)
    if len(whole) == 1 and 2 * lacking >= len(models) - 1:
        return whole[0]  # of an ablation
    begun = {
        model: sum(words(o)[: len(words(model))] == words(model) for o in models) - 1
        for model in models
    }
    best = max(models, key=lambda model: begun[model])
    if begun[best] >= 2:
        return best
    named = [m for m in models if _one_chunk(m) and not set(words(m)) - _FAMILY_WORDS - {"4layer"}]
    if len(named) == 1:
        return named[0]
    return best if begun[best] == 1 and len(models) <= 3 else None
