"""Records of long sequences: whole, damaged, rebuilt."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import archer
from archer.cli import main
from archer.errors import ArcherError
from archer.lengths import Measured, lengths, rebuild
from archer.lengths.choose import refuse_unmeasurable
from archer.lengths.measure import measure
from archer.lengths.sequences import BINDINGS, KEPT, long_sequences
from archer.lengths.tables import errors, growth
from archer.lengths.words import setup
from archer.record import Choice
from archer.rules.peer import Peer

RECORDS = sorted(p.parent for p in (Path(__file__).parents[2] / "records").glob("*/lengths.json"))
FILES = {"command.txt", "environment.json", "lengths.csv", "lengths.json", "lengths.svg"}


@pytest.fixture
def copy(record, tmp_path):
    """One that a test may spoil."""
    return Path(shutil.copytree(record, tmp_path / "copy"))


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@pytest.mark.parametrize("folder", RECORDS, ids=lambda p: p.name)
def test_every_record_of_the_repository(folder):
    assert rebuild(folder).difference is None
    assert {path.name for path in folder.iterdir()} == FILES | {"report.md"}


def test_a_record_is_whole_and_rebuilds(record, tmp_path):
    assert {path.name for path in record.iterdir()} == FILES | {"report.md"}
    assert [path.name for path in record.parent.iterdir()] == ["long"], "nothing half-written"
    assert rebuild(record, tmp_path / "again").difference is None
    for name in ("report.md", "lengths.svg"):
        assert (tmp_path / "again" / name).read_bytes() == (record / name).read_bytes()


def test_its_values_are_those_of_the_saved_models(record, trained):
    measured = Measured.load(record)
    assert measured.rules == ["delta", "momentum"]
    selected = pd.read_csv(trained / "trials.csv").set_index(["rule", "seed"])["test_accuracy"]
    for model in measured.facts["models"]:
        key = (model["rule"], model["seed"])
        assert model["test_accuracy"] == pytest.approx(selected[key])
    model = measured.facts["models"][3]
    module = archer.load(model["trial"], folder=trained)
    inputs, targets = long_sequences(module.trial.setting, KEPT, 128, 4, model["seed"])
    for layer, at, name, value in measure(module, inputs, targets):
        curve = measured.curve(model["rule"], KEPT, name, layer)
        assert curve.loc[at, model["seed"]] == pytest.approx(value, rel=1e-5)


def test_the_report_says_what_the_values_give(record):
    measured, text = Measured.load(record), (record / "report.md").read_text()
    values = measured.values.set_index(["rule", "bindings", "quantity", "position"])["value"]
    for kind in BINDINGS:
        for rule in ("delta", "momentum"):
            ends = [values[rule, kind, "error", at] for at in (32, 64, 128)]
            cells = [f"{np.mean(e):.3f} ± {np.std(e, ddof=1):.3f}" for e in ends]
            assert f"| {rule} | {' | '.join(cells)} |" in text
    (found,) = (g for g in growth(measured, KEPT) if (g.rule, g.quantity, g.layer) ==
                ("delta", "memory", 1))  # fmt: skip
    curve = measured.curve("delta", KEPT, "memory", 1).loc[64:]
    slopes = [np.polyfit(np.log(curve.index), np.log(curve[seed]), 1)[0] for seed in (0, 1)]
    assert found.exponent.mean == pytest.approx(np.mean(slopes))
    assert found.first == pytest.approx(curve.loc[64].mean())
    assert f"| delta, memory, layer 1 | {found.first:.3g} | {found.last:.3g} |" in text


def test_knobs_that_are_not_at_their_defaults_are_told(record):
    assert "knobs not at their defaults: `momentum.mu=0.8`\n" in (record / "report.md").read_text()


def test_a_learned_knob_is_not_called_another_value_than_its_default(record):
    """It may be one that its rule learns by default."""
    measured = Measured.load(record)
    models = [model | {"knobs": {"mu": "learned"}} for model in measured.facts["models"]]
    told = setup(replace(measured, facts=measured.facts | {"models": models[-2:]}))
    assert told[-1] == "knobs not at their defaults: none; learned: `momentum.mu`"


def test_a_rule_that_learned_nothing_is_told_apart(record):
    text = (record / "report.md").read_text()
    assert "`delta`, `momentum` did not learn the task" in text
    assert text.count("| not learned |") == 4
    assert text.count("No rule learned the task") == 2


@pytest.mark.parametrize(
    ("ends", "verdict"),
    [
        ((0.5, 0.601), "grows"),
        ((0.05, 0.151), "falls"),
        ((0.5, 0.1), "cannot tell"),
        ((0.1, 0.2), "no change"),
    ],
)
def test_verdicts_follow_the_interval(record, ends, verdict):
    measured = Measured.load(record)
    changed = measured.values.copy()
    error = (changed[["rule", "bindings", "quantity"]] == ["momentum", KEPT, "error"]).all(axis=1)
    for position, values in ((32, (0.1, 0.2)), (128, ends)):
        changed.loc[error & (changed["position"] == position), "value"] = values
    (_, momentum) = errors(replace(measured, values=changed), KEPT)
    assert momentum.verdict == verdict
    assert momentum.change.mean == pytest.approx(sum(ends) / 2 - 0.15)


def test_a_changed_value_shows(copy):
    text = (copy / "lengths.csv").read_text()
    row = re.search(r"^delta,0,kept,,128,error,(.*)$", text, re.M)
    edit(copy / "lengths.csv", row[0], row[0].replace(row[1], "0.123"))
    assert rebuild(copy).difference == "report.md is not what lengths.csv gives"


def test_a_record_that_is_not_whole_is_refused(copy):
    path = copy / "lengths.csv"
    whole = path.read_text()
    path.write_text(whole.replace("delta,0,kept,0,16,memory", "delta,0,kept,0,17,memory"))
    with pytest.raises(ArcherError, match=r"not those that lengths.json promises"):
        rebuild(copy)
    path.write_text(whole + whole.splitlines()[-1] + "\n")
    with pytest.raises(ArcherError, match="promises"):
        rebuild(copy)
    path.write_text(whole.replace("position", "place", 1))
    with pytest.raises(ArcherError, match="must have the columns"):
        rebuild(copy)
    path.unlink()
    with pytest.raises(ArcherError, match=r"holds no lengths.csv"):
        rebuild(copy)


def test_facts_that_are_damaged_or_newer(copy):
    facts = json.loads((copy / "lengths.json").read_text())
    (copy / "lengths.json").write_text(json.dumps(facts | {"format": 2}))
    with pytest.raises(ArcherError, match="newer Archer"):
        rebuild(copy)
    (copy / "lengths.json").write_text(json.dumps(facts | {"since": "x"}))
    with pytest.raises(ArcherError, match="lacks 'since'"):
        rebuild(copy)
    (copy / "lengths.json").write_text("{")
    with pytest.raises(ArcherError, match="is not JSON"):
        rebuild(copy)
    (copy / "lengths.json").unlink()
    with pytest.raises(ArcherError, match="is no record of long sequences"):
        rebuild(copy)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"length": 31}, "--length 31: use more than the 31 tokens"),
        ({"length": 128, "since": 128}, "--since 128"),
        ({"length": 129}, "--length 129: use an even number"),
        ({"sequences": 0}, "--sequences 0"),
        ({"since": 0}, "--since 0"),
        ({"setting": "no"}, "no setting 'no' there"),
        ({"choice": Choice(rules=("adam",))}, "no trial of rule adam"),
    ],
)
def test_mistakes_are_told_before_anything_is_written(trained, tmp_path, options, said):
    with pytest.raises(ArcherError, match=re.escape(said)):
        lengths(trained, tmp_path / "out" / "it", **{"length": 128, "since": 32, **options})
    assert not (tmp_path / "out").exists()


def test_a_record_is_never_overwritten(trained, record):
    with pytest.raises(ArcherError, match="is there already"):
        lengths(trained, record)


def test_weights_that_were_not_kept(trained, tmp_path):
    (tmp_path / "archer.db").write_bytes((trained / "archer.db").read_bytes())
    with pytest.raises(ArcherError, match="no saved weights of trial"):
        lengths(tmp_path, tmp_path / "out", length=128, since=32)
    assert not (tmp_path / "out").exists()


def test_models_without_a_memory_to_measure(record, trained):
    model = Measured.load(record).facts["models"][0]
    trial = archer.load(model["trial"], folder=trained).trial
    refuse_unmeasurable("delta", trial)
    with pytest.raises(ArcherError, match="was trained on 31 tokens, one chunk of 32"):
        refuse_unmeasurable("delta", replace(trial, rule=trial.rule.with_chunk_size(32)))
    with pytest.raises(ArcherError, match="attention is no memory rule"):
        refuse_unmeasurable("attention", replace(trial, rule=Peer("attention")))


def test_bench_rebuilds_records_of_other_kinds_too(record, tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        main(["bench", "--from", str(record), "--out", str(tmp_path / "again")])
    assert end.value.code in (None, 0)
    assert "equal to the record's files" in capsys.readouterr().out
    assert (tmp_path / "again" / "report.md").is_file()
