"""Trainings that are broken off and taken up again: the same bits as an unbroken one."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from archer.errors import ArcherError
from archer.model import ModelConfig
from archer.rules.load import builtin_graph
from archer.train import checkpoint
from archer.train.checkpoint import Checkpoints, file_of, kept
from archer.train.data import MemberData
from archer.train.population import Member, Regime, StoppedError, train_population
from archer.train.results import MemberResult, PopulationResult

RULE = builtin_graph("momentum")
CONFIG = ModelConfig(vocab_size=8, length=12, dim=16, heads=2)
NAMES = ["first", "second", "third", "fourth"]
# the first is best before its end, the second stops early, the third diverges
MEMBERS = [
    Member("seed=0|toy", 1e-1, 0.0, {"mu": 0.9}),
    Member("seed=1|toy", 2e-2, 0.1, {"mu": 0.7}),
    Member("seed=2|toy", 1e30, 0.0, {"mu": 0.5}),
    Member("seed=3|toy", 5e-4, 0.1, {"mu": 0.2}),
]
REGIME = Regime(epochs=4, batch_size=4, stop_accuracy=0.22)
EXAMPLES = 18  # the last batch of an epoch is half as wide as the others


def arrays(seed: int, examples: int) -> tuple[np.ndarray, np.ndarray]:
    inputs = np.random.default_rng(seed).integers(0, 8, (examples, 12), dtype=np.int32)
    targets = inputs.copy()
    targets[:, ::3] = -100
    return inputs, targets


DATA = [MemberData(arrays(i, EXAMPLES), arrays(i + 9, 9), arrays(i + 99, 9)) for i in range(4)]


def train(
    folder: Path | None = None,
    *,
    seconds: float = 0.0,
    stop_after: int = -1,
    regime: Regime = REGIME,
    **options,
):
    """The population, asked to stop after so many batches; negative: never."""
    asked = iter(range(10_000))
    return train_population(
        RULE,
        CONFIG,
        MEMBERS,
        DATA,
        regime,
        learn=("mu",),
        chunk_size=4,
        checkpoints=None if folder is None else Checkpoints(folder, NAMES, seconds),
        stop=lambda: next(asked) == stop_after,
        **options,
    )


@pytest.fixture(scope="module")
def unbroken() -> PopulationResult:
    return train()


def timeless(result: MemberResult) -> str:
    return repr(replace(result, seconds=0.0))  # tells every bit, and NaN equals NaN


def same_bits(broken: PopulationResult, whole: PopulationResult) -> None:
    assert [timeless(r) for r in broken.members] == [timeless(r) for r in whole.members]
    for mine, theirs in zip(broken.model.parameters(), whole.model.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_the_population_here_ends_in_every_way(unbroken):
    assert [m.status for m in unbroken.members] == ["finished", "stopped", "diverged", "finished"]
    assert 1 < len(unbroken.members[1].history) < 4
    assert [m.best_epoch for m in unbroken.members] == [2, 2, None, 4]


@pytest.mark.parametrize("batches", [0, 3, 4, 6])
def test_broken_off_again_and_again_it_gives_the_bits_of_an_unbroken_training(
    unbroken, tmp_path, batches
):
    """Every part trains a few batches; who has ended is trained once more, to the same end."""
    for _ in range(100):
        try:
            broken = train(tmp_path, seconds=3600, stop_after=batches)
            break
        except StoppedError:
            assert set(kept(tmp_path)) <= set(NAMES)
    same_bits(broken, unbroken)


def test_members_that_have_ended_keep_their_places_and_are_not_trained_again(unbroken, tmp_path):
    over: dict[int, MemberResult] = {}
    parts = 0
    while len(over) < 4:
        parts += 1
        now: list[int] = []
        shown = []
        try:
            broken = train(
                tmp_path,
                stop_after=5,
                ended=tuple(over),
                on_end=lambda ended, now=now: now.extend(over.update(ended) or dict(ended)),
                on_progress=shown.append,
            )
        except StoppedError:
            continue
        finally:
            assert {p.members for p in shown} <= {4 - len(over) + len(now)}
    assert parts == 4, "each trains on from the checkpoint before"
    assert [timeless(over[i]) for i in range(4)] == [timeless(m) for m in unbroken.members]
    assert [m.steps for m in broken.members][1:3] == [0, 0], "they had ended before"


def older(folder: Path, copies: dict[str, bytes]) -> None:
    (folder / "first.safetensors").write_bytes(copies["first.safetensors"])


def missing(folder: Path, copies: dict[str, bytes]) -> None:
    (folder / "fourth.safetensors").unlink()


@pytest.mark.parametrize("spoil", [older, missing])
def test_who_is_behind_catches_up_to_the_same_bits(unbroken, tmp_path, spoil):
    """As after a crash between the writing of two members' files."""
    with pytest.raises(StoppedError):
        train(tmp_path, stop_after=2)
    copies = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(StoppedError):
        train(tmp_path, stop_after=5)
    spoil(tmp_path, copies)
    same_bits(train(tmp_path), unbroken)


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def no_tensors_at_all(path: Path) -> None:
    path.write_text("epoch,done\n" * 50)


def another_version(path: Path) -> None:
    metadata = {"format": "archer checkpoint 0", "name": path.stem, "standing": "{}"}
    save_file(load_file(path), path, metadata)


def another_trial(path: Path) -> None:
    path.write_bytes(path.with_name("second.safetensors").read_bytes())


def another_shape(path: Path) -> None:
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    save_file({**load_file(path), "best": torch.zeros(3)}, path, metadata)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (cut_short, "Error while deserializing header"),
        (no_tensors_at_all, "Error while deserializing header"),
        (another_version, "it is of another version of Archer, or of something else"),
        (another_trial, "it is of the trial second"),
        (another_shape, "its tensors have other shapes"),
    ],
)
def test_a_file_that_cannot_be_used_costs_a_line_and_its_trial_begins_anew(
    unbroken, tmp_path, capsys, spoil, reason
):
    with pytest.raises(StoppedError):
        train(tmp_path, stop_after=3)
    path = file_of(tmp_path, "first")
    spoil(path)
    resumed = train(tmp_path, seconds=3600)
    line, *rest = capsys.readouterr().err.splitlines()
    assert rest == []
    assert line.startswith(f"warning: {path} is not used, its trial begins anew: {reason}")
    same_bits(resumed, unbroken)


def test_a_full_disk_costs_a_line_and_not_the_training(unbroken, tmp_path, capsys, monkeypatch):
    def full(path: Path, content: bytes) -> Path:
        raise ArcherError(f"cannot write {path}: No space left on device; choose another place")

    monkeypatch.setattr(checkpoint, "write_whole", full)
    same_bits(train(tmp_path), unbroken)
    line, *rest = capsys.readouterr().err.splitlines()
    assert line.startswith("warning: no checkpoint for now, the training goes on: cannot write")
    assert rest == [], "said once, not at every batch"


def test_places_that_are_refilled_go_on_as_well(unbroken, tmp_path):
    """Who had begun is seated first; other numbers of places round otherwise, hence no bits."""
    with pytest.raises(StoppedError):
        train(tmp_path, stop_after=9, width=2)
    begun = kept(tmp_path)
    assert len(begun) > 0
    broken = train(tmp_path, width=2)
    for mine, theirs in zip(broken.members, unbroken.members, strict=True):
        assert (mine.status, mine.steps, mine.best_epoch) == (
            theirs.status,
            theirs.steps,
            theirs.best_epoch,
        )
        for a, b in zip(mine.history, theirs.history, strict=True):
            assert a.test.loss == pytest.approx(b.test.loss, rel=1e-4, nan_ok=True)


def test_files_are_small_and_say_where_the_member_stands(tmp_path):
    with pytest.raises(StoppedError):
        train(tmp_path, stop_after=6)
    path = file_of(tmp_path, "fourth")
    with safe_open(path, "pt") as file:
        standing = json.loads(file.metadata()["standing"])
        numbers = file.get_tensor("values").numel()
        assert file.get_tensor("steps").item() == 7
    assert (standing["epoch"], standing["done"]) == (2, 2)
    assert len(standing["result"]["history"]) == 1
    assert standing["result"]["seconds"] > 0
    assert path.stat().st_size == pytest.approx(16 * numbers, rel=0.1)


def test_they_are_written_when_it_is_time_and_never_more_than_a_tenth_of_it(tmp_path, monkeypatch):
    clock, took = [0.0], [0.0]

    def write(path: Path, content: bytes) -> None:
        clock[0] += took[0]

    monkeypatch.setattr(checkpoint.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(checkpoint, "write_whole", write)
    keeper = Checkpoints(tmp_path, NAMES, 60.0)
    assert keeper.next == 60.0
    for seconds, pause in ((1.0, 60.0), (6.0, 60.0), (20.0, 200.0), (1000.0, 600.0)):
        took[0] = seconds
        keeper.write({0: checkpoint.State(1, 0, MemberResult(), {})})
        assert keeper.next - clock[0] == pause
    clock[0] = keeper.next - 0.1
    assert not keeper.due()
    clock[0] = keeper.next
    assert keeper.due()


def test_what_has_ended_is_forgotten(tmp_path):
    with pytest.raises(StoppedError):
        train(tmp_path, stop_after=2)
    (tmp_path / ".first.safetensors.123.tmp").write_bytes(b"half of it")
    checkpoint.remove(tmp_path, "first")
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        f"{name}.safetensors" for name in ("fourth", "second", "third")
    ]
    checkpoint.close(tmp_path)
    for name in NAMES:
        checkpoint.remove(tmp_path, name)
    checkpoint.close(tmp_path)
    assert not tmp_path.exists()


def test_under_another_protocol_the_best_parameters_of_the_first_are_not_taken_for_its_own(
    unbroken, tmp_path
):
    """Results are those of a training of its own; only what was not kept is lost, and says so."""
    by_test = replace(REGIME, select="test")
    whole = train(regime=by_test)
    for regime, batches in ((REGIME, 17), (by_test, 0)):  # 17: in the last epoch
        with pytest.raises(StoppedError):
            train(tmp_path / "a", regime=regime, stop_after=batches)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    same_bits(train(tmp_path / "a"), unbroken)

    told: list[tuple[int, int]] = []
    resumed = train(
        tmp_path / "b",
        regime=by_test,
        on_best=lambda member, best, module: told.append((member, best.epoch)),
    )
    assert [m.best_epoch for m in whole.members] == [3, 3, None, 3]  # [2, 2, None, 4] by the other
    assert [timeless(m) for m in resumed.members] == [timeless(m) for m in whole.members]
    assert (resumed.lost, whole.lost) == ({0}, set())
    with pytest.raises(ArcherError, match="member 0 was resumed under another protocol"):
        resumed.module(0)
    assert sorted(told) == [(1, 3), (3, 3)]
    for member in (1, 3):
        modules = resumed.module(member), whole.module(member)
        pairs = zip(*(module.parameters() for module in modules), strict=True)
        assert all(torch.equal(mine, theirs) for mine, theirs in pairs)
