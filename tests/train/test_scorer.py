"""How members are scored where that is recorded: in which places, how many batches at once.

On a CPU the recorded passes are plain calls, held here against one batch after the other.
"""

import numpy as np
import pytest
import torch

from archer.model import ModelConfig, build
from archer.model.fused import FusedBackbone
from archer.model.fused_layer import Parameters
from archer.rules.load import builtin_graph
from archer.rules.peer import Contender, parse_peer
from archer.train import scorer
from archer.train.data import Arrays, Split
from archer.train.network import Network
from archer.train.scorer import Apart, batches_at_once, places, portions, score_split
from archer.train.width import SCORED

CPU = torch.device("cpu")
LENGTH, WORDS, BATCHES = 6, (9, 7, 9), 6
EXAMPLES = BATCHES * scorer.EVALUATION_BATCH - 28  # the last batch is not full


@pytest.fixture(autouse=True)
def double():
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize(
    ("members", "most", "length", "expected"),
    [
        (1, 96, 128, [1]), (3, 96, 128, [2, 1]), (6, 96, 128, [4, 2]), (7, 96, 128, [8]),
        (12, 96, 128, [8, 4]), (13, 96, 128, [16]), (18, 96, 128, [16, 2]),
        (36, 96, 128, [16, 16, 4]), (3, 3, 128, [3]), (6, 6, 128, [6]), (5, 6, 128, [6]),
        (4, 6, 128, [4]), (13, 13, 128, [13]), (12, 12, 512, [12]), (12, 12, 1024, [8, 4]),
        (6, 6, 1024, [6]), (3, 3, 16384, [1, 1, 1]),
    ],
)  # fmt: skip
def test_members_are_scored_in_portions_that_hold_them(members, most, length, expected):
    assert portions(members, places(most, length, SCORED)) == expected


def test_less_than_a_quarter_of_the_places_stays_empty():
    for most in range(1, 97):
        for members in range(1, most + 1):
            found = portions(members, places(most, 128, SCORED))
            assert members <= sum(found) < members + 0.25 * found[-1]


def arrays(seed: int, words: int, scored: list[int], examples: int = EXAMPLES) -> Arrays:
    inputs = np.random.default_rng(seed).integers(0, words, (examples, LENGTH), dtype=np.int32)
    targets = np.full_like(inputs, -100)
    targets[:, scored] = inputs[:, scored]
    return inputs, targets


AT = ([0, 3, 5], [5], [1, 3])  # where each member is scored


def splits() -> list[Split]:
    """Of three members; the second split is one batch."""
    return [
        Split([arrays(i, WORDS[i], AT[i], examples) for i in range(3)], CPU)
        for examples in (EXAMPLES, 50)
    ]


def network(rule: Contender | None = None) -> Network:
    """Three members, whose biases are not zero any more."""
    config = ModelConfig(vocab_size=max(WORDS), length=LENGTH, dim=16, blocks=1)
    graph = rule or builtin_graph("delta")
    model = build(graph, config, ["a", "b", "c"], chunk_size=3, words=WORDS)
    with torch.no_grad():
        model.unembed.bias += torch.randn(model.unembed.bias.shape)
    return Network(model, "fp32")


@pytest.mark.parametrize("room", [1, 2, 4, 6])
def test_several_batches_at_once_score_as_one_after_the_other(room):
    everyone, Q = network(), 2
    expected = torch.cat([score_split(everyone, split, [0, 1, 2]) for split in splits()], 1)
    tokens = room * Q * scorer.EVALUATION_BATCH * LENGTH
    apart = Apart(everyone.resized(Q, CPU), splits(), tokens)
    assert [len(part.which[0]) for part in apart.parts] == [{4: 3}.get(room, room), 1]
    found = torch.cat([apart(everyone, [2, 1], [2, 1]), apart(everyone, [0], [0])])
    expected = expected[[2, 1, 0]]
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)
    accuracies = [0, 1, 4, 5]  # macro and plain, of both splits
    assert torch.equal(found[:, accuracies], expected[:, accuracies])


def test_a_peer_takes_one_batch_at_a_time():
    apart = Apart(network(parse_peer("attention")), splits(), SCORED)
    assert [len(part.which[0]) for part in apart.parts] == [1, 1]
    assert len(Apart(network(), splits(), SCORED).parts[0].which[0]) == BATCHES


def test_the_fused_engine_scores_each_batch_of_several():
    """In the interpreter: a loss of their own, with their own member's bias and words."""
    torch.set_default_dtype(torch.float32)
    everyone, K, B = network(), 2, 3
    flat = everyone.flat
    full, grads = flat.views(flat.values), flat.views(flat.grads)
    engine = FusedBackbone(everyone.model, Parameters(full, full, grads), everyone.model.words)
    ids, targets = drawn(K * B)
    positions = torch.tensor([1, 2, 4])
    targets = targets[..., positions].unflatten(1, (K, B))
    losses, found = engine.score(ids, targets, positions)
    assert (losses.shape, found.shape) == ((3, K), targets.shape)
    for batch in range(K):
        mine = ids.unflatten(1, (K, B))[:, batch].contiguous()
        wanted = targets[:, batch].contiguous()
        one, words = engine.score(mine, wanted, positions)
        plain, _ = everyone.engine.score(mine, wanted, positions)
        torch.testing.assert_close(losses[:, batch], one, rtol=1e-6, atol=0)
        torch.testing.assert_close(one, plain, rtol=1e-5, atol=0)
        assert torch.equal(found[:, batch], words)


def test_one_member_s_words_are_those_of_all_its_batches():
    """In the interpreter: with one member, a vector for K batches may be a view that repeats it."""
    torch.set_default_dtype(torch.float32)
    alone, K, B = network().resized(1, CPU), 3, 2
    alone.put([0], network(), [0])
    flat = alone.flat
    full, grads = flat.views(flat.values), flat.views(flat.grads)
    words = torch.tensor([WORDS[0], 0, 0], dtype=torch.int32)[:1]  # nothing may read on
    engine = FusedBackbone(alone.model, Parameters(full, full, grads), words)
    ids, targets = (x[:1].contiguous() for x in drawn(K * B))
    losses, _ = engine.score(ids, targets.unflatten(1, (K, B)), None)
    for batch in range(K):
        mine, wanted = (x.unflatten(1, (K, B))[:, batch].contiguous() for x in (ids, targets))
        plain, _ = alone.engine.score(mine, wanted, None)
        torch.testing.assert_close(losses[:, batch], plain, rtol=1e-5, atol=0)


def drawn(examples: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Words of each member as inputs and targets, some of them not scored."""
    inputs = torch.stack([torch.randint(n, (examples, LENGTH), dtype=torch.int32) for n in WORDS])
    scored = torch.rand(inputs.shape) < 0.7
    return inputs, inputs.where(scored, -100)


def test_batches_fill_the_room_and_leave_no_pass_half_empty(monkeypatch):
    (split, one) = splits()
    tokens = scorer.EVALUATION_BATCH * LENGTH
    found = []
    for room in range(1, 9):
        found.append(batches_at_once(1, split, 9, room * tokens))
    assert found == [1, 2, 3, 3, 3, 6, 6, 6]
    assert batches_at_once(9, split, 9, 8 * tokens) == 1, "one batch of all places may be too much"
    assert batches_at_once(1, one, 9, 8 * tokens) == 1
    logits = scorer.EVALUATION_BATCH * len(split.positions) * 9
    monkeypatch.setattr(scorer, "LOGITS", 2 * logits)
    assert batches_at_once(1, split, 9, 8 * tokens) == 2, "their logits count, too"
    assert batches_at_once(1, split, 90, 8 * tokens) == 1


@pytest.mark.parametrize(
    ("Q", "length", "expected"),
    [(16, 32, 5), (6, 32, 10), (16, 128, 2), (6, 128, 5), (2, 128, 10), (6, 256, 2), (6, 1024, 1)],
)
def test_what_a_pass_of_the_benchmark_takes(Q, length, expected):
    data = np.zeros((1280, length), dtype=np.int32)
    assert batches_at_once(Q, Split([(data, data)], CPU), 16, SCORED) == expected
