"""The population trainer: members are independent, stop by themselves and keep their best."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from archer.errors import ArcherError
from archer.model import ModelConfig, build
from archer.rules.load import builtin_graph
from archer.train import reading, trainer
from archer.train.data import MemberData, Split, epoch_order
from archer.train.network import Network
from archer.train.population import Member, Regime, train_population
from archer.train.results import EpochMetrics, MemberResult, SplitMetrics
from archer.train.scorer import score_split

CONFIG = ModelConfig(vocab_size=8, length=12, dim=16, heads=2)
NEVER = 2.0  # no accuracy is above it


def arrays(seed: int, examples: int) -> tuple[np.ndarray, np.ndarray]:
    """Random inputs; the target is the token before, every third position is not scored."""
    inputs = np.random.default_rng(seed).integers(0, 8, (examples, 12), dtype=np.int32)
    targets = np.roll(inputs, 1, axis=1)
    targets[:, ::3] = -100
    return inputs, targets


def data(seed: int, train: int = 16) -> MemberData:
    return MemberData(arrays(seed, train), arrays(seed + 1000, 9), arrays(seed + 2000, 9))


def train(rule, members, seeds, **options):
    regime = options.pop("regime", Regime(epochs=5, batch_size=4, stop_accuracy=NEVER))
    examples = options.pop("examples", 16)
    return train_population(
        builtin_graph(rule),
        CONFIG,
        members,
        [data(seed, examples) for seed in seeds],
        regime,
        chunk_size=4,
        **options,
    )


EIGHT = [
    Member(f"seed={i}|toy", lr, wd, {"mu": mu})
    for i, (lr, wd, mu) in enumerate(
        zip(
            [1e-3, 1e-4, 5e-4, 1e-2, 1e-3, 1e-4, 5e-4, 3e-3],
            [0.0, 0.1, 0.0, 0.1, 0.1, 0.0, 0.1, 0.0],
            [0.9, 0.7, 0.8, 0.95, 0.9, 0.5, 0.1, 0.3],
            strict=True,
        )
    )
]


@pytest.mark.parametrize("learn", [(), ("mu",)])
def test_a_member_trains_alone_as_among_eight(learn):
    together = train("momentum", EIGHT, range(8), learn=learn)
    for i in (0, 3, 7):
        alone = train("momentum", [EIGHT[i]], [i], learn=learn)
        assert alone.members[0].steps == together.members[i].steps == 20
        for mine, theirs in zip(alone.members[0].history, together.members[i].history, strict=True):
            assert mine.train_loss == pytest.approx(theirs.train_loss, rel=1e-5)
            assert mine.test.loss == pytest.approx(theirs.test.loss, rel=1e-5)
            assert mine.validation.perplexity == pytest.approx(
                theirs.validation.perplexity, rel=1e-5
            )
        assert alone.members[0].best_epoch == together.members[i].best_epoch
        for mine, theirs in zip(
            alone.module(0).parameters(), together.module(i).parameters(), strict=True
        ):
            torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-5)


def test_training_moves_every_member_its_own_way():
    result = train("momentum", EIGHT, range(8))
    for member in result.members:
        assert member.history[-1].train_loss < member.history[0].train_loss
    assert len({member.history[-1].train_loss for member in result.members}) == 8


def test_a_member_that_diverges_leaves_the_others_as_they_were():
    healthy = train("momentum", EIGHT[:4], range(4))
    members = [EIGHT[0], replace(EIGHT[1], lr=1e30), *EIGHT[2:4]]
    result = train("momentum", members, range(4))
    diverged = result.members[1]
    assert (diverged.status, diverged.steps, diverged.best_epoch) == ("diverged", 4, None)
    assert len(diverged.history) == 1
    assert not math.isfinite(diverged.history[0].train_loss)
    assert diverged.best is None
    with pytest.raises(ArcherError, match="member 1 diverged before its first checkpoint"):
        result.module(1)
    for i in (0, 2, 3):
        assert result.members[i].status == "finished"
        assert result.members[i].history == healthy.members[i].history
        for mine, theirs in zip(
            result.module(i).parameters(), healthy.module(i).parameters(), strict=True
        ):
            assert torch.equal(mine, theirs)


def test_an_easy_task_is_learned_and_stops():
    copied = [tuple([arrays(seed, n)[0]] * 2) for seed, n in ((1, 128), (2, 40), (3, 40))]
    regime = Regime(epochs=60, batch_size=16)
    members = [Member("easy", 1e-2, 0.0), Member("slow", 1e-6, 0.0)]
    seen = []
    result = train_population(
        builtin_graph("delta"),
        CONFIG,
        members,
        [MemberData(*copied)] * 2,
        replace(regime, epochs=12),
        on_progress=seen.append,
    )
    easy, slow = result.members
    assert easy.status == "stopped"
    assert easy.history[-1].validation.accuracy > 0.999
    assert all(epoch.validation.accuracy <= 0.999 for epoch in easy.history[:-1])
    assert len(easy.history) < 12
    assert easy.steps == 8 * len(easy.history)
    assert (slow.status, slow.steps) == ("finished", 96)
    assert slow.history[-1].validation.accuracy < 0.6
    module = result.module(0)
    ids = torch.from_numpy(copied[2][0])
    accuracy = (module(ids).argmax(-1) == ids).float().mean().item()
    assert accuracy == pytest.approx(easy.best.test.plain_accuracy)
    assert [p.epoch for p in seen] == list(range(1, 13))
    ended = len(easy.history)
    assert [p.active for p in seen] == [2] * (ended - 1) + [1] * (13 - ended)
    assert (seen[2].step, seen[2].steps, seen[2].members) == (24, 96, 2)


def scripted(monkeypatch, rows: dict[str, list[list[tuple[float, float]]]]):
    """Replaces evaluation: rows[split][epoch][member] = (accuracy, perplexity).

    Returns the list of parameters seen after each epoch.
    """
    seen: list[list[torch.Tensor]] = []

    def score(_, network, seats, members):
        epoch = len(seen)
        seen.append([p.detach().clone() for p in network.model.parameters()])
        lines = []
        for member in members:
            found = [rows[name][epoch][member] for name in ("validation", "test")]
            lines.append([x for acc, ppl in found for x in (acc, acc, math.log(ppl), ppl)])
        return torch.tensor(lines)

    monkeypatch.setattr(trainer.Scorer, "score", score)
    return seen


VALIDATION = [
    [(0.5, 5.0), (0.9, 4.0), (0.1, 6.0)],
    [(0.4, 3.0), (0.9995, 4.5), (0.1, math.nan)],
    [(0.999, 4.0), (0.0, 1.0), (0.1, 1.0)],
]
# The second member is above the stop accuracy on both in the same epoch.
TEST = [[(0.2, 2.0)] * 3, [(0.2, 3.0), (0.9995, 3.0), (0.2, 3.0)], [(0.2, 1.5)] * 3]


def test_stopping_and_best_checkpoints(monkeypatch):
    seen = scripted(monkeypatch, {"validation": VALIDATION, "test": TEST})
    regime = Regime(epochs=3, batch_size=8)
    result = train("momentum", EIGHT[:3], range(3), regime=regime)
    assert [m.status for m in result.members] == ["finished", "stopped", "diverged"]
    assert [m.steps for m in result.members] == [6, 4, 4]
    assert [m.best_epoch for m in result.members] == [2, 1, 1]
    assert result.members[0].best.validation.perplexity == 3.0
    for member, epoch in ((0, 2), (1, 1), (2, 1)):
        parameters = zip(result.module(member).parameters(), seen[epoch - 1], strict=True)
        assert all(torch.equal(mine, theirs[member]) for mine, theirs in parameters)
    for member, still in ((0, False), (1, True), (2, True)):  # who has ended is frozen
        parameters = zip(seen[1], seen[2], strict=True)
        assert all(torch.equal(a[member], b[member]) for a, b in parameters) == still
    assert sum(m.seconds for m in result.members) > 0


def test_the_test_split_decides_if_asked_to(monkeypatch):
    scripted(monkeypatch, {"validation": TEST, "test": VALIDATION})
    regime = Regime(epochs=3, batch_size=8, select="test")
    result = train("momentum", EIGHT[:3], range(3), regime=regime)
    assert [m.status for m in result.members] == ["finished", "stopped", "diverged"]
    assert [m.best_epoch for m in result.members] == [2, 1, 1]


@pytest.mark.parametrize("split", ["validation", "test"])
def test_one_training_serves_both_protocols(monkeypatch, split):
    """It ends with the later of two stops; each protocol reads what its own would have given."""
    early = [(0.1, 4.0), (0.9995, 3.0), (0.9, 2.0), (0.9, 1.0)]
    late = [(0.1, 4.0), (0.2, 1.0), (0.9995, 2.0), (0.9, 0.5)]
    other = {"validation": "test", "test": "validation"}[split]
    rows = {split: [[at] for at in early], other: [[at] for at in late]}
    seen = scripted(monkeypatch, rows)
    regime = Regime(epochs=4, batch_size=8, select=split)
    trained = train("delta", [Member("a", 1e-3, 0.0)], [0], regime=regime)
    result = trained.members[0]
    assert (result.status, len(result.history), result.best_epoch) == ("stopped", 3, 2)
    mine, theirs = (reading.read(result, which, 0.999) for which in (split, other))
    assert (mine.status, len(mine.history), mine.best_epoch) == ("stopped", 2, 2)
    assert (theirs.status, len(theirs.history), theirs.best_epoch) == ("stopped", 3, 2)
    assert 3 * mine.steps == 2 * theirs.steps == 2 * result.steps > 0
    kept = zip(trained.module(0).parameters(), seen[1], strict=True)  # of the epoch `select` chose
    assert all(torch.equal(a, b[0]) for a, b in kept)


def test_reading_a_training_that_diverged():
    bad = SplitMetrics(math.nan, math.nan, math.nan, math.nan)
    good = SplitMetrics(0.5, 0.5, 1.0, math.e)
    history = [EpochMetrics(1, 1.0, good, good), EpochMetrics(2, math.nan, bad, bad)]
    read = reading.read(MemberResult("diverged", 10, 4.0, history, 1), "test", 0.999)
    assert (read.status, read.best_epoch, read.steps, read.seconds) == ("diverged", 1, 10, 4.0)


def test_training_ends_when_nobody_is_left(monkeypatch):
    seen = scripted(monkeypatch, {"validation": [[(1.0, 1.0)]], "test": [[(1.0, 2.0)]]})
    result = train("delta", [Member("a", 1e-3, 0.0)], [0], regime=Regime(batch_size=8))
    assert len(seen) == 1
    assert (result.members[0].status, result.members[0].best_epoch) == ("stopped", 1)


def test_reported_metrics_are_those_of_the_model():
    """Nine examples are one batch; the checkpoint of the last epoch is the model evaluated."""
    result = train("delta", EIGHT_PLAIN, [0, 1])
    for i in range(2):
        best = result.members[i].best
        inputs, targets = (torch.from_numpy(a) for a in data(i).test)
        logits = result.module(i)(inputs)
        scored = targets != -100
        loss = torch.nn.functional.cross_entropy(logits[scored], targets[scored].long())
        hits = (logits.argmax(-1) == targets)[scored].float()
        assert best.test.loss == pytest.approx(loss.item(), rel=1e-5)
        assert best.test.perplexity == pytest.approx(loss.exp().item(), rel=1e-5)
        assert best.test.plain_accuracy == pytest.approx(hits.mean().item())


EIGHT_PLAIN = [replace(member, knobs={}) for member in EIGHT[:2]]


def test_metrics_are_means_over_batches_of_128():
    splits = [arrays(5, 128), arrays(6, 20)]
    both = tuple(np.concatenate(pair) for pair in zip(*splits, strict=True))
    network = Network(build(builtin_graph("delta"), CONFIG, ["a"]), "fp32")
    cpu = torch.device("cpu")
    parts = [score_split(network, Split([arrays_], cpu), [0]) for arrays_ in splits]
    whole = score_split(network, Split([both], cpu), [0])
    mean = (parts[0] + parts[1]) / 2
    torch.testing.assert_close(whole[:, [0, 2, 3]], mean[:, [0, 2, 3]])
    plain = (parts[0][:, 1] * 128 + parts[1][:, 1] * 20) / 148
    torch.testing.assert_close(whole[:, 1], plain)


def test_a_learned_knob_is_trained_and_recorded():
    members = [Member("a", 1e-1, 0.1, {"mu": 0.9}), Member("b", 1e-1, 0.1, {"mu": 0.5})]
    result = train("momentum", members, [0, 1], learn=("mu",))
    for member, start in zip(result.members, (0.9, 0.5), strict=True):
        values = np.array(member.learned["mu"])
        assert values.shape == (2, 2)  # layers, heads
        assert (abs(values - start) > 1e-3).all()
        assert ((values > 0) & (values < 1)).all()
    assert train("momentum", members, [0, 1]).members[0].learned == {}


def test_a_rule_that_never_reads_what_it_writes_trains_as_delta_bit_for_bit():
    histories = []
    for rule in ("delta", "momentum", "adam"):
        result = train_population(
            builtin_graph(rule), CONFIG, EIGHT_PLAIN, [data(0), data(1)], Regime(epochs=3)
        )
        histories.append([member.history for member in result.members])
    assert histories[0] == histories[1] == histories[2]


def test_the_order_of_the_data_is_the_members_own():
    first = epoch_order("a", 1, 50)
    assert torch.equal(first.sort().values, torch.arange(50))
    assert not torch.equal(first, epoch_order("b", 1, 50))
    assert not torch.equal(first, epoch_order("a", 2, 50))


def test_a_last_batch_may_be_smaller():
    result = train("delta", EIGHT_PLAIN, [0, 1], examples=18)
    assert [member.steps for member in result.members] == [25, 25]


def test_only_scored_positions_are_kept():
    split = Split([arrays(0, 4), arrays(1, 6)], torch.device("cpu"))
    assert split.positions.tolist() == [1, 2, 4, 5, 7, 8, 10, 11]
    inputs, targets = split.take(torch.tensor([1, 0]), torch.tensor([[5, 0], [1, -1]]))
    assert np.array_equal(inputs[0], arrays(1, 6)[0][[5, 0]])
    assert np.array_equal(targets[0], arrays(1, 6)[1][[5, 0]][:, split.positions])
    assert np.array_equal(targets[1, 0], arrays(0, 4)[1][1, split.positions])
    assert (targets[1, 1] == -100).all()


def test_members_share_the_arrays_they_share():
    mine, theirs = arrays(0, 4), arrays(1, 4)
    split = Split([mine, theirs, mine], torch.device("cpu"))
    assert split.source == [0, 1, 0]
    assert split.inputs.shape[0] == 2


def test_members_of_other_shapes_and_missing_data_are_refused():
    longer = tuple(array[:, :5] for array in arrays(1, 4))
    with pytest.raises(ArcherError, match="in a population apart"):
        Split([arrays(0, 4), longer], torch.device("cpu"))
    with pytest.raises(ArcherError, match="2 members and 1 data sets"):
        train("delta", EIGHT_PLAIN, [0])


def test_bf16_keeps_parameters_in_full_precision_and_stays_near():
    regime = Regime(epochs=5, batch_size=4, stop_accuracy=NEVER, precision="bf16")
    half = train("delta", EIGHT_PLAIN, [0, 1], regime=regime)
    full = train("delta", EIGHT_PLAIN, [0, 1])
    assert {p.dtype for p in half.module(0).parameters()} == {torch.float32}
    for mine, theirs in zip(half.members, full.members, strict=True):
        assert mine.history[-1].train_loss < mine.history[0].train_loss
        near, exact = mine.history[0].train_loss, theirs.history[0].train_loss
        assert near != exact
        assert near == pytest.approx(exact, rel=0.01)
