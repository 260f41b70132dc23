"""Records: made from a store, whole or marked as partial, and rebuilt without training."""

import gzip
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from sqlalchemy import create_engine, text

from archer import cli
from archer.cli.record import record as record_command
from archer.cli.record import show_rebuilt
from archer.errors import ArcherError
from archer.mad.plan import Knobs, Population, make_plan
from archer.mad.presets import core, smoke
from archer.record import Choice, gather, make_record, rebuild
from archer.record import write as writing
from archer.report.claims import verify_file
from archer.report.compare import Comparison
from archer.report.csv_file import read_csv
from archer.report.files import write_report
from archer.report.record import Record
from archer.report.study import Study
from archer.rules.load import builtin_graph
from archer.store import STORE_FILE, open_store
from archer.train.results import EpochMetrics, MemberResult, SplitMetrics

FILES = {
    *("cells.csv", "command.txt", "curves.csv.gz", "environment.json", "plan.json"),
    *("report.md", "results.csv", "trials.csv.gz"),
}
RECORDS = sorted(p.parent for p in (Path(__file__).parents[2] / "records").glob("*/plan.json"))
RULES = ("delta", "gated_delta", "momentum")


def planned(*rules, preset=None, tasks=None, **options):
    options.setdefault("seeds", 2)
    graphs = [builtin_graph(rule) for rule in rules]
    return make_plan(graphs, (preset or smoke()).only(tasks), **options)


def made_up(trial):
    """A result that depends on nothing but the trial."""
    tenths = (int(trial.id, 16) % 700 + 100) / 1000
    split = SplitMetrics(tenths, tenths / 3, 1.0, 2.0)
    better = EpochMetrics(1, 1.5, split, replace(split, accuracy=tenths / 2 + 0.1))
    return MemberResult(
        steps=4, seconds=0.5, history=[better, replace(better, epoch=2)], best_epoch=1
    )


def train(folder, plan, lost=lambda trial: False, failing=lambda trial: False):
    """As if a command had trained a plan into a folder, but for what it lost and what failed."""
    folder.mkdir(exist_ok=True)
    with open_store(folder) as store, store.begin(plan, "cpu") as run:
        for trial in [trial for population in plan.populations for trial in population.trials]:
            if not lost(trial) and run.claim(Population((trial,))):
                if failing(trial):
                    run.fail([trial.id], "no memory")
                else:
                    run.finish({trial.id: made_up(trial)})


@pytest.fixture(scope="session")
def first(tmp_path_factory):
    """A folder in which three commands have worked, and its record."""
    there = tmp_path_factory.mktemp("store") / "mine"
    train(there, planned("delta", "gated_delta", seeds=1))
    train(there, planned("momentum"))
    train(there, planned("delta", "gated_delta"))
    return there, make_record(there, out=there.parent / "records").folder


@pytest.fixture
def folder(first, tmp_path):
    return Path(shutil.copytree(first[0], tmp_path / "mine"))


@pytest.fixture
def made(first, tmp_path):
    return Path(shutil.copytree(first[1], tmp_path / "records" / first[1].name))


def unchecked(found):
    wanted = ("refuted", "rounding", "unchecked")
    return [v for v in found if v.status in wanted and v.note != "prediction"]


def test_a_record_of_a_benchmark_holds_its_very_tables(smoke, tmp_path):
    made = make_record(smoke.out, out=tmp_path, name="mine")
    assert set(made.sizes) == FILES | {"rules/halving.json"}
    assert made.folder.name.endswith("-mine")
    for name in ("trials.csv", "curves.csv"):
        unzipped = gzip.decompress((made.folder / f"{name}.gz").read_bytes()).decode()
        assert unzipped == (smoke.out / name).read_text(), name
    for name in ("results.csv", "cells.csv"):
        assert (made.folder / name).read_text() == (smoke.out / name).read_text(), name
    graph = json.loads((made.folder / "rules" / "halving.json").read_text())
    ours = next(row.trial.rule for row in smoke.plan.rows if row.rule == "halving")
    assert graph["name"] == "halving"
    assert len(graph["write"]["nodes"]) > len(ours.to_json()["local"]["nodes"])
    (run,) = json.loads((made.folder / "environment.json").read_text())["runs"]
    assert run["trials"] == smoke.trials["trial"].nunique()
    assert run["versions"]["torch"]
    assert "command" not in run
    assert "machine" not in run
    found = verify_file(made.folder / "report.md", made.folder)
    assert unchecked(found) == []
    assert sum(v.status == "confirmed" for v in found) > 50
    assert rebuild(made.folder).difference is None


def test_several_commands_make_one_table_as_one_would(folder, made, tmp_path):
    train(tmp_path / "at once", planned(*RULES))
    once = make_record(tmp_path / "at once", out=tmp_path / "other").folder
    for file in ("results.csv", "cells.csv", "trials.csv.gz"):
        assert (made / file).read_bytes() == (once / file).read_bytes(), file
    assert len(json.loads((made / "environment.json").read_text())["runs"]) == 3


def test_the_same_store_gives_the_same_bytes(folder, made, tmp_path):
    again = make_record(folder, out=tmp_path / "again").folder
    assert {p.name for p in made.iterdir()} == FILES
    for path in made.iterdir():
        assert path.read_bytes() == (again / path.name).read_bytes(), path.name


def test_trials_that_are_missing_are_refused_with_their_number(tmp_path):
    plan = planned("delta", "gated_delta")

    def lost(trial):
        return trial.rule.name == "gated_delta" and trial.setting.task == "memorization"

    train(tmp_path / "mine", plan, lost)
    with pytest.raises(ArcherError, match=r"^2 of 24 trials are missing \(missing: 2 of 2 trials"):
        make_record(tmp_path / "mine", out=tmp_path / "records")
    assert not (tmp_path / "records").exists()
    made = make_record(tmp_path / "mine", out=tmp_path / "records", partial=True)
    assert made.notes[0] == "partial record: 2 of 24 trials are missing"
    report = (made.folder / "report.md").read_text()
    assert "partial record: 2 of 24 trials are missing" in report
    assert "missing: 2 of 2 trials of `gated_delta` on Memorize" in report
    table = pd.read_csv(made.folder / "results.csv", index_col=0)
    assert table.isna().sum().sum() == 2, "Memorize of gated_delta, and its Average"
    assert unchecked(verify_file(made.folder / "report.md", made.folder)) == []
    assert rebuild(made.folder).difference is None
    whole = make_record(tmp_path / "mine", out=tmp_path / "whole", choice=Choice(rules=("delta",)))
    assert pd.read_csv(whole.folder / "results.csv").notna().all(axis=None)


def test_what_only_some_rules_were_asked_for_is_missing_too(tmp_path):
    train(tmp_path / "mine", planned("delta"))
    train(tmp_path / "mine", planned("momentum", tasks=["in-context-recall"], seeds=1))
    with pytest.raises(ArcherError, match="11 of 24 trials are missing"):
        make_record(tmp_path / "mine", out=tmp_path)
    made = make_record(tmp_path / "mine", out=tmp_path, partial=True).folder
    table = pd.read_csv(made / "results.csv", index_col=0)
    assert table.iloc[1].isna().all()
    assert (
        "missing: 1 of 2 trials of `momentum` on Context Recall" in (made / "report.md").read_text()
    )
    assert rebuild(made).difference is None
    whole = make_record(tmp_path / "mine", out=tmp_path / "x", choice=Choice(runs=(1,)))
    assert Study.load(whole.folder).rules == ["delta"]


def test_half_a_grid_is_missing_although_the_cell_has_a_score(tmp_path):
    plan = planned("delta", preset=core(), tasks=["memorization"], seeds=1)
    train(tmp_path / "mine", plan, lambda trial: trial.weight_decay == 0.1)
    with pytest.raises(ArcherError, match="3 of 6 trials are missing"):
        make_record(tmp_path / "mine", out=tmp_path)
    made = make_record(tmp_path / "mine", out=tmp_path, partial=True).folder
    assert "missing: 3 of 6 trials of `delta` on Memorize" in (made / "report.md").read_text()


def test_a_failure_is_recorded_with_its_reason(tmp_path):
    plan = planned("delta", "gated_delta")
    train(
        tmp_path / "mine",
        plan,
        failing=lambda t: (t.rule.name, t.setting.task) == ("gated_delta", "memorization"),
    )
    made = make_record(tmp_path / "mine", out=tmp_path).folder
    report = (made / "report.md").read_text()
    assert "2 of gated_delta's trials on Memorize failed: no memory." in report
    assert json.loads((made / "plan.json").read_text())["missing"] == 0


def test_one_table_holds_one_protocol_one_preset_and_one_way(folder, tmp_path):
    out = tmp_path / "records"

    def refused(match, **choice):
        with pytest.raises(ArcherError, match=match):
            make_record(folder, out=out, choice=Choice(**choice))

    refused("--protocol mad-lab makes it of the same trainings", protocol="mad-lab")
    train(folder, planned("delta", protocol="mad-lab"))
    refused("holds protocols strict and mad-lab, and one table holds one: choose with --protocol")
    train(folder, planned("delta", preset=replace(smoke(), name="other")))
    refused("holds presets smoke and other")
    refused("nothing of preset quick", preset="quick")
    refused("no run 9", runs=(9,))
    refused("no trial of rule adam", preset="smoke", protocol="strict", rules=("adam",))
    one = {"preset": "smoke", "protocol": "strict"}
    train(folder, planned("momentum", knobs=Knobs({"momentum.mu": 0.5})))
    refused(r"momentum was run in two ways \(knob mu 0.9 and 0.5\)", **one)
    train(folder, planned("adam", preset=replace(smoke(), heads=2)))
    refused(r"delta and adam were not trained alike \(heads 1 and 2\)", **one, runs=(1, 7))
    assert not out.exists()
    made = make_record(folder, out=out, choice=Choice(**one, runs=(2, 3))).folder
    assert set(Study.load(made).trials["knob.mu"].dropna()) == {0.9}
    made = make_record(folder, out=out, name="x", choice=Choice("smoke", "mad-lab")).folder
    assert Study.load(made).protocol == "mad-lab"


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        ({"knobs": Knobs({"momentum.mu": 0.7})}, {}, r"\(knob mu 0.7 and 0.9\)"),
        ({"knobs": Knobs(learn=("momentum.mu",))}, {}, r"\(knob mu 0.9 learned in .* and 0.9\)"),
        ({}, {"precision": "bf16"}, r"\(precision fp32 and bf16\)"),
        ({"preset": replace(smoke(), heads=2)}, {}, r"\(heads 2 and 1\)"),
    ],
)
@pytest.mark.parametrize("apart", ["tasks", "seeds"])
def test_two_ways_are_told_also_where_they_share_no_place(tmp_path, first, second, said, apart):
    there, recall = tmp_path / "mine", ("in-context-recall",)
    other = {"tasks": ("noisy-in-context-recall",)} if apart == "tasks" else {"first_seed": 2}
    train(there, planned("momentum", tasks=recall, **first))
    train(there, planned("momentum", **{"tasks": recall} | other | second))
    with pytest.raises(ArcherError, match=f"momentum was run in two ways {said}"):
        make_record(there, out=tmp_path)
    assert make_record(there, out=tmp_path, choice=Choice(runs=(1,))).folder.is_dir()


def test_trainings_of_one_protocol_stand_beside_those_of_the_other(tmp_path):
    """One training serves both, whichever first asked for it."""
    there = tmp_path / "mine"
    train(there, planned("delta", protocol="mad-lab"))
    train(there, planned("delta", "momentum"))
    made = make_record(there, out=tmp_path, choice=Choice(protocol="strict")).folder
    assert Study.load(made).rules == ["delta", "momentum"]


def test_rules_come_in_the_order_asked_for(folder, tmp_path):
    choice = Choice(rules=("momentum", "delta"), tasks=("memorization", "in-context-recall"))
    made = make_record(folder, out=tmp_path, choice=choice).folder
    study = Study.load(made)
    assert study.rules == ["momentum", "delta"]
    assert study.columns == ["Context Recall", "Memorize"]
    assert study.identical.to_numpy().tolist() == [["momentum", "memorization", "delta"]]


def test_large_curves_are_thinned_or_left_out_and_that_is_said(tmp_path, monkeypatch):
    plan = planned("delta", preset=core(), tasks=["memorization"])
    train(tmp_path / "mine", plan)
    whole = make_record(tmp_path / "mine", out=tmp_path / "a")
    size = whole.sizes["curves.csv.gz"]
    monkeypatch.setattr(writing, "CURVES_LIMIT", size - 1)
    some = make_record(tmp_path / "mine", out=tmp_path / "b")
    assert "holds the selected trials only" in (some.folder / "report.md").read_text()
    study = Study.load(some.folder)
    assert set(study.curves["trial"]) == set(study.selected["trial"])
    monkeypatch.setattr(writing, "CURVES_LIMIT", 10)
    none = make_record(tmp_path / "mine", out=tmp_path / "c")
    assert not (none.folder / "curves.csv.gz").exists()
    assert "learning curves are left out" in (none.folder / "report.md").read_text()
    assert rebuild(none.folder, tmp_path / "again").difference is None


def test_commands_are_those_one_would_type():
    assert writing._command(["/x/.venv/bin/archer", "bench", "a b"]) == "archer bench 'a b'"
    assert writing._command(["/x/mine.py", "1"]) == "python mine.py 1"
    assert writing._command(["-c"]) == "(from Python)"


def test_a_rebuilt_record_writes_the_tables_and_reports(made, tmp_path):
    found = rebuild(made, tmp_path / "again")
    assert found.difference is None
    for name in ("results.csv", "cells.csv", "report.md"):
        assert (tmp_path / "again" / name).read_bytes() == (made / name).read_bytes()
    assert (tmp_path / "again" / "report.html").read_text().startswith("<!doctype html>")


def test_a_table_that_is_not_of_its_trials_is_told(made, tmp_path, capsys):
    assert show_rebuilt(made, tmp_path / "again") == 0
    assert "equal to the record's results.csv" in capsys.readouterr().out
    table = pd.read_csv(made / "results.csv", index_col=0)
    table.loc["gated_delta_net_4layer", "Memorize"] += 1e-6
    table.to_csv(made / "results.csv")
    assert show_rebuilt(made, tmp_path / "again") == 1
    assert "not equal: results.csv has 0." in capsys.readouterr().out


def test_records_are_result_folders_to_every_other_command(folder, made, tmp_path):
    other = make_record(folder, out=tmp_path / "b", choice=Choice(rules=("delta", "momentum")))
    found = Comparison.load(made, other.folder)
    assert {c.verdict for c in found.changes} == {"unchanged"}
    assert found.missing == ["only in A: rule gated_delta"]
    before = (made / "report.md").read_text()
    write_report(made)
    assert (made / "report.md").read_text() == before
    report = tmp_path / "claim.md"
    report.write_text("Momentum scores 0.999 on Fuzzy Recall.\n")
    assert [v.status for v in verify_file(report, made)] == ["refuted"]


def zipped(text):
    return gzip.compress(text.encode())


def without_column(folder):
    frame = pd.read_csv(folder / "trials.csv.gz").drop(columns="validation_accuracy")
    (folder / "trials.csv.gz").write_bytes(zipped(frame.to_csv(index=False)))


def without_a_row(folder):
    frame = pd.read_csv(folder / "trials.csv.gz").iloc[:-1]
    (folder / "trials.csv.gz").write_bytes(zipped(frame.to_csv(index=False)))


def without_a_setting(folder):
    frame = pd.read_csv(folder / "trials.csv.gz")
    frame = frame[frame["task"] != "memorization"]
    (folder / "trials.csv.gz").write_bytes(zipped(frame.to_csv(index=False)))


def with_two_protocols(folder):
    frame = pd.read_csv(folder / "trials.csv.gz")
    frame.loc[0, "protocol"] = "mad-lab"
    (folder / "trials.csv.gz").write_bytes(zipped(frame.to_csv(index=False)))


def cut(folder):
    data = (folder / "trials.csv.gz").read_bytes()
    (folder / "trials.csv.gz").write_bytes(data[: len(data) // 2])


def corrupt(folder):
    data = bytearray((folder / "trials.csv.gz").read_bytes())
    data[len(data) // 2 : len(data) // 2 + 40] = bytes(40)
    (folder / "trials.csv.gz").write_bytes(bytes(data))


def not_gzipped(folder):
    (folder / "trials.csv.gz").write_text("rule,task\n")


def newer(folder):
    plan = json.loads((folder / "plan.json").read_text())
    (folder / "plan.json").write_text(json.dumps(plan | {"format": 3}))


def broken_plan(folder):
    (folder / "plan.json").write_text("{")


def plan_without(folder):
    plan = json.loads((folder / "plan.json").read_text())
    del plan["settings"]
    (folder / "plan.json").write_text(json.dumps(plan))


def wrong_plan(folder):
    plan = json.loads((folder / "plan.json").read_text())
    (folder / "plan.json").write_text(json.dumps(plan | {"trials": "all"}))


def environment_of_something_else(folder):
    (folder / "environment.json").write_text('{"runs": 3}')


def without_environment(folder):
    (folder / "environment.json").unlink()


def with_a_cell(column, value):
    def damage(folder):
        frame = pd.read_csv(folder / "trials.csv.gz").astype({column: object})
        frame.loc[0, column] = value
        (folder / "trials.csv.gz").write_bytes(zipped(frame.to_csv(index=False)))

    return damage


def with_run(**change):
    def damage(folder):
        run = json.loads((folder / "environment.json").read_text())["runs"][0] | change
        (folder / "environment.json").write_text(json.dumps({"runs": [run]}))

    return damage


def plan_of_lists(folder):
    plan = json.loads((folder / "plan.json").read_text())
    (folder / "plan.json").write_text(json.dumps(plan | {"settings": [[]]}))


def without_a_start(folder):
    frame = pd.read_csv(folder / "trials.csv.gz").drop(columns="knob.mu")
    frame["learned.mu.layer0.head0"] = 0.5
    (folder / "trials.csv.gz").write_bytes(zipped(frame.to_csv(index=False)))


BAD = {
    with_a_cell("test_accuracy", "x"): "than numbers in the column 'test_accuracy'",
    with_a_cell("seconds", "inf"): "than numbers in the column 'seconds'",
    with_a_cell("knob.mu", "9" * 400): "than numbers in the column 'knob.mu'",
    with_a_cell("seed", ""): "are not those of plan.json",
    with_a_cell("task", ""): "has a row of an unknown task",
    without_a_start: "lacks the column 'knob.mu'",
    plan_of_lists: "are not those of plan.json",
    with_run(versions=5): "environment.json lacks 'runs'",
    with_run(card=5): "environment.json lacks 'runs'",
    without_column: "lacks the column 'validation_accuracy'",
    without_a_row: "are not those of plan.json (35 rows, 36 promised)",
    without_a_setting: "are not those of plan.json (30 rows, 36 promised)",
    with_two_protocols: "mixes two protocols",
    cut: "trials.csv.gz cannot be read: it is damaged",
    corrupt: "trials.csv.gz cannot be read: it is damaged",
    not_gzipped: "trials.csv.gz cannot be read: it is damaged or not gzipped",
    newer: "was written by a newer Archer (record format 3, this one knows 2)",
    broken_plan: "plan.json is not JSON",
    plan_without: "plan.json lacks 'settings'",
    wrong_plan: "plan.json lacks 'trials'",
    environment_of_something_else: "environment.json lacks 'runs'",
    without_environment: "holds no environment.json",
}


@pytest.mark.parametrize("damage", BAD, ids=lambda damage: damage.__name__)
def test_a_damaged_record_is_told_in_one_line_and_left_alone(made, tmp_path, damage):
    damage(made)
    before = {p.name: p.read_bytes() for p in made.iterdir()}
    for use in (
        lambda: verify_file(made / "report.md", made),
        lambda: rebuild(made, tmp_path / "again"),
        lambda: write_report(made),
        lambda: Comparison.load(made, made),
    ):
        with pytest.raises(ArcherError) as told:
            use()
        assert BAD[damage] in str(told.value)
        assert "\n" not in str(told.value)
    assert {p.name: p.read_bytes() for p in made.iterdir()} == before
    assert not (tmp_path / "again").exists()


def test_a_record_is_never_written_over_nor_by_halves(folder, made, monkeypatch):
    with pytest.raises(ArcherError, match="--name 'a/b': use letters"):
        make_record(folder, name="a/b", out=made.parent)
    with pytest.raises(ArcherError, match="is there already: give another --name"):
        make_record(folder, out=made.parent)

    def full(*args, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(ArcherError, match="No space left on device"):
        make_record(folder, out=made.parent, name="second")
    assert list(made.parent.iterdir()) == [made]


@pytest.fixture
def run(monkeypatch, capfd):
    """`archer record …` -> exit code, output, error."""
    monkeypatch.setitem(cli.COMMANDS, "record", record_command)

    def call(*args):
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main(["record", *map(str, args)])
        return (int(ended.value.code or 0), *capfd.readouterr())

    return call


def test_the_command_lists_sizes_and_what_to_know(folder, tmp_path, run):
    args = ("--name", "three rules", "--command", "archer bench a", "--command", "archer bench b")
    code, out, error = run(folder, "--out", tmp_path / "records", *args)
    assert (code, error) == (0, "")
    (made,) = (tmp_path / "records").iterdir()
    assert made.name.endswith("-three rules")
    lines = out.splitlines()
    total = sum(p.stat().st_size for p in made.iterdir())
    assert f"{total:>9,}  bytes in all" in lines
    assert lines[-1] == "- `curves.csv.gz` holds every epoch of every trial"
    assert (made / "command.txt").read_text() == "archer bench a\narcher bench b\n"
    report = (made / "report.md").read_text()
    assert "```\narcher bench a\narcher bench b\n```" in report


def newer_store(path):
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        connection.execute(text("UPDATE meta SET value = '999' WHERE key = 'schema'"))
    engine.dispose()


def damaged_store(path):
    path.write_bytes(path.read_bytes()[:5000] + b"x" * 3000)


def foreign_file(path):
    path.write_text("not a database, but long enough to be looked at " * 20)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [(newer_store, "newer Archer"), (damaged_store, ""), (foreign_file, "not a database")],
)
def test_a_store_that_cannot_be_read_is_told_in_one_line_and_left_alone(
    folder, tmp_path, run, spoil, said
):
    spoil(folder / STORE_FILE)
    before = (folder / STORE_FILE).read_bytes()
    code, out, error = run(folder, "--out", tmp_path / "records")
    assert (code, out) == (2, "")
    assert error.startswith("error: ")
    assert said in error
    assert error.count("\n") == 1
    assert (folder / STORE_FILE).read_bytes() == before
    assert not (tmp_path / "records").exists()


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("{tmp}/nowhere", "no store there"),
        ("postgresql://nobody@127.0.0.1:9/none", "cannot use the store"),
        ("mysql://x/y", "a store cannot be kept in mysql"),
    ],
)
def test_an_address_that_leads_nowhere_is_told_in_one_line(tmp_path, run, address, said):
    code, _, error = run(address.format(tmp=tmp_path), "--out", tmp_path / "records")
    assert code == 2
    assert said in error
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_store_in_which_nothing_has_ended_gives_no_record(tmp_path):
    train(tmp_path / "mine", planned("delta"), lost=lambda trial: True)
    with pytest.raises(ArcherError, match="not one trial has ended"):
        make_record(tmp_path / "mine", out=tmp_path, partial=True)
    with open_store(tmp_path) as store, pytest.raises(ArcherError, match="no benchmark"):
        gather(store)


@pytest.mark.parametrize("record", RECORDS, ids=lambda path: path.name)
def test_every_record_of_the_repository(record, tmp_path):
    there = {str(p.relative_to(record)) for p in record.rglob("*") if p.is_file()}
    assert there >= FILES - {"curves.csv.gz"}
    assert sum(p.stat().st_size for p in record.rglob("*")) < 4 * 2**20
    assert rebuild(record, tmp_path).difference is None
    assert (tmp_path / "results.csv").read_text() == (record / "results.csv").read_text()
    cells = (read_csv(folder / "cells.csv") for folder in (tmp_path, record))
    pd.testing.assert_frame_equal(*cells, rtol=1e-9)
    found = verify_file(record / "report.md", record)
    assert unchecked(found) == []
    assert not any(v.status in ("refuted", "rounding") for v in found)
    assert any(v.status == "confirmed" for v in found)
    plan = json.loads((record / "plan.json").read_text())
    assert plan["missing"] == 0 or plan["partial"]


def test_the_record_made_here_would_pass_as_one_of_the_repository(made, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(made, copy)
    test_every_record_of_the_repository(copy, tmp_path / "again")


def test_a_package_that_is_not_installed_is_said_to_be_so():
    run = {"run": 1, "started": "today", "trials": 2, "device": "cpu", "code": "0123456789"}
    made = Record({}, [run | {"versions": {"archer": None, "torch": "2.11.0"}}], [])
    about = made.about(pd.DataFrame({"status": ["ended"]}))
    assert "on cpu; archer not installed as a package, torch 2.11.0, code 01234567" in about
