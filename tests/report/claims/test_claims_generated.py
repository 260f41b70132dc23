"""Templates over random tables: true statements are never refuted, shifted ones mostly are."""

import itertools
from functools import cache

import numpy as np
import pandas as pd
import pytest

from archer.report.claims.check import read_with
from archer.report.claims.skeleton import Reader
from archer.report.claims.table import ScoreTable

TASKS = ["Compress", "Context Recall", "Fuzzy Recall", "Memorize", "Noisy Recall", "Selective Copy"]
FAMILIES = [
    ["delta_net", "delta_net_momentum", "delta_net_decay", "gated_delta_net"],
    ["transformer", "mamba", "hyena", "rwkv"],
    ["base_6l", "base_6l_conv", "base_6l_gate", "base_6l_conv_gate"],
]


def table(seed):
    rng = np.random.default_rng(seed)
    names = FAMILIES[seed % len(FAMILIES)]
    return pd.DataFrame(rng.uniform(0.1, 0.99, (len(names), 6)).round(4), names, TASKS)


def value(frame, a, b, t, shift):
    x = frame.at[a, t] + shift
    yield f"{a} scores {x:.3f} on {t}."
    yield f"On {t}, {a} reaches {100 * x:.1f} %."
    yield f"The {t} score of {a} is {x:.4f}."
    yield f"{t}: {a} {x:.3f}"
    yield f"{a} ({x:.3f}) is shown for {t}."
    yield f"| model | {t} |\n|---|---|\n| {a} | {x:.3f} |"


def pair(frame, a, b, t, shift):
    x, y = frame.at[a, t], frame.at[b, t]
    d = x - y + (shift if x > y else -shift)
    more, verb = ("higher", "beats") if d > 0 else ("lower", "trails")
    yield f"{a} {verb} {b} by {abs(d):.3f} on {t}."
    yield f"On {t}, {a} is {100 * abs(d):.1f} pp {more} than {b}."
    yield f"The gap between {a} and {b} on {t} is {abs(d):.3f}."
    yield f"Compared with {b}, {a} changes {t} by {d:+.3f}."
    yield f"{a} vs {b} on {t}: Δ = {d:+.3f}."
    yield f"Relative to {b}, {a} is {100 * abs(d) / y:.1f} % {more} on {t}."
    yield f"| {t} | {a} | {b} | Δ |\n|---|---|---|---|\n| {t} | {x:.3f} | {y:.3f} | {d:+.3f} |"


def words(frame, a, b, t):
    """(statement, whether it is true)."""
    x, y = frame.at[a, t], frame.at[b, t]
    mean = frame.mean(axis=1)
    wins = int((frame.loc[a] > frame.loc[b]).sum())
    place = int((frame[t] > x).sum()) + 1
    yield f"{a} beats {b} on {t}.", x > y
    yield f"{a} is worse than {b} on {t}.", x < y
    yield f"{a} does not beat {b} on {t}.", x < y
    yield f"{a} has the highest {t} score.", place == 1
    yield f"The best model on {t} is {a}.", place == 1
    yield f"{a} ranks second on {t}.", place == 2
    yield f"{a} is the weakest model on {t}.", place == len(frame)
    yield f"{a} has a better average than {b}.", mean[a] > mean[b]
    yield f"{a} leads on average.", mean[a] == mean.max()
    yield f"{a} outperforms {b} on {wins} of six tasks.", True
    yield f"{a} outperforms {b} on all tasks.", wins == 6
    yield f"Every model exceeds {x - 0.01:.2f} on {t}.", frame[t].min() > round(x - 0.01, 2)
    yield f"{a} averages {mean[a]:.3f}, {b} {mean[b]:.3f}.", True
    yield f"{a} averages {mean[a] + 0.05:.3f}.", False
    yield f"{t} runs from {frame[t].min():.3f} to {frame[t].max():.3f}.", True
    yield f"On {t}, {a} scores {x:.3f}, whereas {b} scores {y:.3f}.", True
    yield f"{a} and {b} score {x:.3f} and {y:.3f} on {t}, respectively.", True
    yield f"{a} is {'better' if x > y else 'worse'} than {b} on {t} ({x:.3f} vs {y:.3f}).", True


@cache
def reader(seed):
    return Reader(ScoreTable(table(seed)))


def statuses(text, seed):
    return {verdict.status for verdict in read_with(reader(seed), text)}


def cases(seed):
    frame = table(seed)
    models = itertools.permutations(frame.index, 2)
    for i, (a, b) in enumerate(models):
        yield frame, a, b, TASKS[(i + seed) % 6]


@pytest.mark.parametrize("seed", range(3))
def test_true_statements_are_never_refuted(seed):
    for frame, a, b, t in cases(seed):
        texts = [*value(frame, a, b, t, 0.0), *pair(frame, a, b, t, 0.0)]
        texts += [text for text, holds in words(frame, a, b, t) if holds]
        assert [text for text in texts if "refuted" in statuses(text, seed)] == []


@pytest.mark.parametrize("seed", range(3))
def test_false_statements_are_mostly_refuted(seed):
    texts = []
    for frame, a, b, t in cases(seed):
        shifted = [*value(frame, a, b, t, 0.0713), *pair(frame, a, b, t, 0.0713)]
        shifted += [text for text, holds in words(frame, a, b, t) if not holds]
        texts += [("refuted" in statuses(text, seed), text) for text in shifted]
    missed = [text for refuted, text in texts if not refuted]
    assert len(missed) <= 0.1 * len(texts), missed
