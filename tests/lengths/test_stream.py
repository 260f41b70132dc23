"""A model read piece by piece gives what it gives for the whole sequence."""

from pathlib import Path

import pytest
import torch

from archer.lengths.stream import Stream
from archer.model import ModelConfig, build, extract
from archer.rules.load import builtin_graph, load_graph

EVERYTHING = str(Path(__file__).parents[1] / "memory" / "everything.py")
CONFIG = ModelConfig(vocab_size=11, length=40, dim=16, heads=2)


def model(rule, **options):
    graph = load_graph(EVERYTHING) if rule == "everything" else builtin_graph(rule)
    return extract(build(graph.with_chunk_size(8), CONFIG, ["a"], **options), 0).eval()


@pytest.mark.parametrize(
    ("rule", "options"),
    [
        ("delta", {}),
        ("gated_delta", {}),
        ("softmax_attention", {}),
        ("momentum", {"learn": ["mu"]}),
        ("adam", {"knobs": [{"bias_correction": 1.0, "eps": 1e-2}]}),
        ("everything", {}),
    ],
)
def test_pieces_give_the_whole(rule, options):
    ids = torch.randint(11, (3, 40), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        whole = model(rule, **options)(ids)
    stream = Stream(model(rule, **options))
    pieces = [stream.read(ids[:, at : at + 16]) for at in (0, 16, 32)]
    torch.testing.assert_close(torch.cat(pieces, 1), whole, rtol=1e-4, atol=1e-5)
    assert [layer.state.chunks for layer in stream.layers] == [5, 5]
    assert [tuple(layer.output.shape) for layer in stream.layers] == [(3, 8, 2, 8)] * 2


def test_a_piece_depends_on_those_before_it():
    ids = torch.zeros(1, 32, dtype=torch.long)
    other = ids.clone()
    other[0, 0] = 1
    streams = [Stream(model("delta")) for _ in range(2)]
    for stream, start in zip(streams, (ids, other), strict=True):
        stream.read(start[:, :8])
    ends = [stream.read(ids[:, 8:16]) for stream in streams]
    assert not torch.equal(ends[0], ends[1])
