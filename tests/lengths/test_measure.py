"""What is measured along a sequence, against plainer ways to the same numbers."""

import math

import pytest
import torch
from torch.nn import functional

from archer import Rule
from archer.lengths.measure import measure, positions
from archer.lengths.sequences import KEPT, long_sequences
from archer.mad.settings import Setting
from archer.memory.recurrent import recurrent
from archer.model import ModelConfig, build, extract
from archer.rules.load import builtin_graph
from archer.rules.trace import trace

SETTING = Setting("in-context-recall", vocab_size=8, seq_len=12)
CONFIG = ModelConfig(vocab_size=8, length=11, dim=16, heads=2)
C = 8


class Exploding(Rule):
    """S_n = 1e20 S_{n-1} + dS_n: infinite once three chunks are written."""

    def write(self, S, dS, slots, p):
        return 1e20 * S + dS


def model(graph):
    return extract(build(graph.with_chunk_size(C), CONFIG, ["a"]), 0).eval()


@pytest.mark.parametrize(
    ("length", "chunk", "found"),
    [
        (128, 16, [16, 32, 64, 128]),
        (100, 32, [32, 64, 100]),
        (100, 24, [24, 48, 72, 100]),
        (20, 32, [20]),
    ],
)
def test_positions_double_and_end_whole_chunks(length, chunk, found):
    assert positions(length, chunk) == found


def test_delta_against_the_whole_sequence_and_the_oracle():
    inputs, targets = long_sequences(SETTING, KEPT, 48, 4, seed=0)
    rows = {row[:3]: row[3] for row in measure(model(builtin_graph("delta")), inputs, targets)}
    reference, seen = model(builtin_graph("delta")), []
    for block in reference.blocks:
        read = block.mixer.read
        vars(block.mixer)["read"] = lambda *given, read=read: seen.append(given) or read(*given)
    with torch.no_grad():
        logits = reference(torch.from_numpy(inputs))
    wrong = (logits.argmax(-1).numpy() != targets) & (targets != -100)
    asked = targets != -100
    for start, end in ((0, 16), (16, 32), (32, 48)):
        share = wrong[:, start:end].sum() / asked[:, start:end].sum()
        assert rows[None, end, "error"] == pytest.approx(share)
        for layer, (q, k, v, values) in enumerate(seen):
            q, k = (functional.normalize(x, dim=-1)[:, :end] for x in (q, k))
            o, S = recurrent(q, k, v[:, :end], values[0].view(v.shape[:-1])[:, :end])
            norm = S.flatten(-2).norm(dim=-1).mean().item()
            size = o[:, start:end].square().mean().sqrt().item()
            assert rows[layer, end, "memory"] == pytest.approx(norm, rel=1e-3)
            assert rows[layer, end, "output"] == pytest.approx(size, rel=1e-3)
    assert rows[None, 48, "finite"] == 48
    assert len(rows) == 3 * (1 + 2 * 2) + 1


def test_slots_are_measured_by_name():
    inputs, targets = long_sequences(SETTING, KEPT, 32, 2, seed=0)
    rows = measure(model(builtin_graph("adam")), inputs, targets)
    names = {name for layer, _, name, _ in rows if layer == 1}
    assert names == {"memory", "slot.m", "slot.v", "output"}


def test_where_numbers_end_is_told_and_counts_as_wrong():
    inputs, targets = long_sequences(SETTING, KEPT, 64, 2, seed=0)
    rows = {row[:3]: row[3] for row in measure(model(trace(Exploding)), inputs, targets)}
    assert rows[None, 64, "finite"] == 24
    assert rows[None, 64, "error"] == 1
    assert not math.isfinite(rows[0, 32, "memory"])
