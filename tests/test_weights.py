"""Saved weights: the module that comes back is the one that was scored."""

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import archer
from archer.benchmark import plan_bench
from archer.errors import ArcherError
from archer.mad import weights
from archer.mad.data import dataset
from archer.mad.presets import smoke as smoke_preset
from archer.mad.results import Results
from archer.train.metric import macro_accuracy, plain_accuracy
from archer.weights import keep_selected

PRESET = replace(
    smoke_preset().only(["memorization", "in-context-recall", "compression"]), lrs=(1e-3, 2e-2)
)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return archer.bench(
        ["delta", "momentum"],
        preset=PRESET,
        learn=["momentum.mu"],
        workers=1,
        device="cpu",
        out=tmp_path_factory.mktemp("saved"),
        save_weights=True,
        progress=False,
    )


def files(folder: Path) -> set[str]:
    return {path.stem for path in (folder / "weights").iterdir()}


def test_weights_of_selected_trials_are_kept_and_no_others(saved):
    assert files(saved.out) == set(saved.selected["trial"])
    assert len(files(saved.out)) == 4, "three tasks, and momentum differs from delta on one"
    assert len(set(saved.trials["trial"])) == 8


@pytest.mark.parametrize("rule", ["delta", "momentum"])
@pytest.mark.parametrize("task", ["memorization", "in-context-recall", "compression"])
def test_the_loaded_module_scores_what_was_recorded(saved, rule, task):
    rows = saved.selected.set_index(["rule", "task"])
    row = rows.loc[(rule, task)]
    module = archer.load(row["trial"], folder=saved.out)
    assert not module.training
    assert module.trial.id == row["trial"]
    assert module.metrics.epoch == row["best_epoch"]
    test = dataset(module.trial.setting, 0).test
    inputs, targets = torch.from_numpy(test.inputs), torch.from_numpy(test.targets)
    with torch.no_grad():
        logits = module(inputs)
    assert logits.shape == (*inputs.shape, module.trial.model.vocab_size)
    found = logits.argmax(-1)
    plain = plain_accuracy(found.flatten(), targets.flatten()).item()
    words = module.trial.model.vocab_size
    macro = macro_accuracy(found.flatten(), targets.flatten(), words).item()
    assert plain == pytest.approx(row["test_plain_accuracy"], abs=1e-9)
    assert macro == pytest.approx(row["test_accuracy"], abs=1e-6)  # 32 examples are one batch
    scored = targets != -100
    loss = torch.nn.functional.cross_entropy(logits[scored], targets[scored].long()).item()
    assert loss == pytest.approx(row["test_loss"], rel=1e-5)


def test_a_file_is_enough(saved):
    (id, *_) = sorted(files(saved.out))
    by_id, by_file = (
        archer.load(id, saved.out),
        archer.load(saved.out / "weights" / f"{id}.safetensors"),
    )
    for mine, theirs in zip(by_id.parameters(), by_file.parameters(), strict=True):
        assert torch.equal(mine, theirs)
    assert by_id.trial == by_file.trial


def test_learned_knobs_come_back(saved):
    row = saved.selected.set_index(["rule", "task"]).loc[("momentum", "in-context-recall")]
    module = archer.load(row["trial"], folder=saved.out)
    assert row["best_epoch"] == row["epochs"], "else the last value is not the loaded one"
    found = module.learned_knobs()["mu"].flatten().tolist()
    stored = [row[f"learned.mu.layer{layer}.head0"] for layer in range(2)]
    np.testing.assert_allclose(found, stored, rtol=1e-6)
    assert abs(found[0] - 0.9) > 1e-6


def test_what_was_trained_without_keeping_its_weights_is_told_of(tmp_path, capfd):
    preset = replace(PRESET.only(["memorization"]), lrs=(1e-3,))
    options = {"preset": preset, "device": "cpu", "workers": 1, "out": tmp_path}
    archer.bench("delta", seeds=2, **options)
    capfd.readouterr()
    results = archer.bench("delta", seeds=3, save_weights=True, **options)
    assert capfd.readouterr().err.splitlines()[-1] == (
        "weights of 2 selected trials were not kept when they were trained; to have them, train "
        "in a new folder with --save-weights"
    )
    ids = results.trials.set_index("seed")["trial"]
    assert files(tmp_path) == {ids[2]}
    with pytest.raises(ArcherError, match=f"no saved weights of trial {ids[0]} in "):
        archer.load(ids[0], folder=tmp_path)


def test_a_diverged_trial_has_no_weights_and_is_not_missed(tmp_path, capfd):
    preset = replace(PRESET.only(["memorization"]), lrs=(1e30,))
    results = archer.bench(
        "delta", preset=preset, device="cpu", workers=1, out=tmp_path, save_weights=True
    )
    assert math.isnan(results.trials["test_accuracy"][0])
    assert not (tmp_path / "weights").exists()
    assert "weights" not in capfd.readouterr().err


def test_what_cannot_be_loaded_is_refused_in_one_line(saved, tmp_path):
    (id, *_) = sorted(files(saved.out))
    good = saved.out / "weights" / f"{id}.safetensors"
    cut, other = tmp_path / "cut.safetensors", tmp_path / "other.safetensors"
    cut.write_bytes(good.read_bytes()[:-8])
    save_file({"x": torch.zeros(2)}, other)
    for path, message in (
        (tmp_path / "missing.safetensors", "no saved weights there; name a file of them"),
        (tmp_path, "no saved weights there"),
        (cut, "cannot be read"),
        (other, "holds no weights of a trial: give one that bench wrote"),
    ):
        with pytest.raises(ArcherError) as refused:
            archer.load(path)
        assert message in str(refused.value)
        assert str(path) in str(refused.value)
        assert "\n" not in str(refused.value)


def test_weights_need_a_folder():
    with pytest.raises(ArcherError, match="save_weights needs a folder to save them in: give out"):
        archer.bench("delta", preset="smoke", save_weights=True)


def test_weights_that_cannot_be_written_do_not_cost_the_result(tmp_path, monkeypatch, capsys):
    from archer.mad.work import Keep, train

    def full(path: Path, content: bytes) -> Path:
        raise ArcherError(f"cannot write {path}: No space left on device; choose another place")

    monkeypatch.setattr(weights, "write_whole", full)
    plan = plan_bench("delta", preset=PRESET, tasks=["memorization"])
    results = train(plan.populations[0], "cpu", keep=Keep(weights=str(tmp_path)))
    assert [result.status for result in results] == ["finished"] * 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("warning: no weights of trial ")
    assert lines[0].endswith("No space left on device; choose another place")


def test_on_a_gpu_populations_are_as_large_as_shapes_allow():
    one, many = (plan_bench("delta", preset="core", device=d).populations for d in ("cuda", "cpu"))
    assert len(one) < len(many)
    assert sum(len(p.trials) for p in one) == sum(len(p.trials) for p in many)


def by_mad_lab(saved: Results, trials: pd.DataFrame) -> Results:
    """What the other protocol reads off the same trainings, as these rows have it."""
    plan = replace(saved.plan, protocol="mad-lab")
    return replace(saved, plan=plan, trials=trials.assign(protocol="mad-lab"))


def selecting(trials: pd.DataFrame, ids: set[str]) -> pd.DataFrame:
    return trials.assign(test_accuracy=trials["trial"].isin(ids).astype(float))


@pytest.fixture
def copied(saved, tmp_path) -> Path:
    """The result folder with its weights, to be changed."""
    shutil.copytree(saved.out / "weights", tmp_path / "weights")
    return tmp_path


def test_weights_of_an_epoch_that_the_other_protocol_does_not_choose_are_not_its_own(saved, copied):
    ids = files(copied)
    id, *others = sorted(ids)
    trials = selecting(saved.trials, ids)
    assert set(trials["best_epoch"]) == {2}
    told = keep_selected(by_mad_lab(saved, trials), copied / "weights")
    assert told == "", "both protocols choose the same epochs"
    trials.loc[trials["trial"] == id, "best_epoch"] = 1
    results = by_mad_lab(saved, trials)
    assert keep_selected(results, copied / "weights") == (
        "weights of 1 selected trials, trained under strict, are of another epoch than mad-lab "
        "chooses and are not loaded for it; to have them, train in a new folder with --save-weights"
    )
    assert files(copied) == ids
    results.trials.to_csv(copied / "trials.csv", index=False)
    with pytest.raises(
        ArcherError,
        match=f"weights of trial {id} are of epoch 2, trained under strict, and the table has epoch"
        r" 1, as mad-lab chooses: train in a new folder with --save-weights, or load .* as it is",
    ):
        archer.load(id, copied)
    assert archer.load(weights.file_of(copied / "weights", id)).metrics.epoch == 2
    assert archer.load(others[0], copied).trial.id == others[0]


def test_what_the_other_protocol_selected_stays_and_what_this_one_left_out_does_not(saved, copied):
    id, *others = sorted(files(copied))
    told = keep_selected(
        by_mad_lab(saved, selecting(saved.trials, set(others))), copied / "weights"
    )
    assert told.startswith("weights of 1 selected trials were not kept when they were trained;")
    assert files(copied) == {id, *others}, "strict selected it"
    mine = saved.trials.assign(validation_accuracy=(saved.trials["trial"] != id).astype(float))
    assert keep_selected(replace(saved, trials=mine), copied / "weights") == told
    assert files(copied) == {*others}


def test_weights_with_a_field_of_a_newer_version_are_refused_in_one_line(saved, tmp_path):
    (id, *_) = sorted(files(saved.out))
    path, newer = saved.out / "weights" / f"{id}.safetensors", tmp_path / "newer.safetensors"
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    trial = json.loads(metadata["trial"])
    trial["model"]["new_field"] = 1
    save_file(load_file(path), newer, metadata | {"trial": json.dumps(trial)})
    with pytest.raises(ArcherError, match=r"cannot be read \(.*'new_field'\): train the trial"):
        archer.load(newer)
