"""Records of sweeps: made from a store, whole or marked as partial, rebuilt without training."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import made_up
import pandas as pd
import pytest

from archer.cli import main
from archer.cli.record import record as record_command
from archer.cli.record import show_rebuilt
from archer.errors import ArcherError
from archer.mad.plan import make_plan
from archer.mad.presets import smoke
from archer.record import Choice, gather
from archer.report.claims import verify_file
from archer.report.compare import Comparison
from archer.report.files import write_report
from archer.rules.load import builtin_graph
from archer.store import open_store
from archer.sweeps import plan_sweep
from archer.sweeps.gather import find_sweep, gather_sweep, results_of
from archer.sweeps.noted import note, noted
from archer.sweeps.rebuild import rebuild_sweep
from archer.sweeps.record import is_sweep, make_sweep_record

TASKS = ("in-context-recall", "memorization")
MU = "momentum.mu=0.7,0.9,learned"
FILES = {
    *("chosen.csv", "command.txt", "curves.csv.gz", "environment.json", "learned.csv"),
    *("points.csv", "points.svg", "report.md", "rules/momentum.json", "sweep.csv", "sweep.json"),
    *("trials.csv.gz", "validation.csv"),
}
SVG = "{http://www.w3.org/2000/svg}svg"
RECORDS = sorted(p.parent for p in (Path(__file__).parents[2] / "records").glob("*/sweep.json"))


def planned(set=MU, **options):
    chunks = {"one_at_a_time": True, "chunk_sizes": (4, 8)}
    options = {"preset": "smoke", "tasks": TASKS, "seeds": 2, "lrs": (1e-3, 3e-3)} | options
    return plan_sweep("momentum", set=[set], **(chunks | options))


def train(folder, sweep, points=None, lost=lambda trial: False):
    folder.mkdir(exist_ok=True, parents=True)
    with open_store(folder) as store:
        note(store, sweep, sweep.points if points is None else points)
    made_up.train(folder, sweep.cost, lost)


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """A folder with a sweep one at a time, and its record."""
    there = tmp_path_factory.mktemp("sweep") / "mine"
    train(there, planned())
    return there, make_sweep_record(there, out=there.parent / "records")


@pytest.fixture
def made(first, tmp_path):
    return Path(shutil.copytree(first[1].folder, tmp_path / "records" / first[1].folder.name))


def unchecked(folder, least):
    found = verify_file(folder / "report.md", folder / "validation.csv")
    assert sum(v.status == "confirmed" for v in found) >= least
    return [v for v in found if v.status in ("refuted", "rounding")]


def test_a_record_holds_what_the_sweep_gave(first):
    there, made = first
    assert set(made.sizes) == FILES
    assert made.folder.name.endswith("-sweep-momentum-smoke")
    with open_store(there) as store:
        ids = {row.trial.id for row in planned().cost.rows}
        devices = store.devices(sorted(ids))
        found = gather_sweep(store, find_sweep(store))
    assert set(devices) == ids
    assert found.noted.sweep == planned()
    ours = results_of(found.noted, found.trials)
    assert [point.label for point in ours.points] == [
        *("mu=0.7", "no change", "mu=learned", "chunk_size=4"),
    ]
    chosen = pd.read_csv(made.folder / "chosen.csv", keep_default_na=False, na_values=[""])
    assert chosen["point"].tolist() == ours.selected["point"].tolist()
    assert chosen["test_accuracy"].tolist() == pytest.approx(ours.selected["test_accuracy"])
    written = pd.read_csv(made.folder / "sweep.csv")
    assert len(written) == 4 * 2 * 2
    assert json.loads((made.folder / "environment.json").read_text())["runs"][0]["trials"] == len(
        ids
    )
    assert unchecked(made.folder, 6) == []


def test_only_the_one_reading_of_the_test_set_is_published(first):
    trials = pd.read_csv(first[1].folder / "trials.csv.gz")
    chosen = pd.read_csv(first[1].folder / "chosen.csv").set_index("task")["point"]
    read = trials[trials["test_accuracy"].notna()]
    assert read["test_loss"].notna().all()
    assert trials["validation_accuracy"].notna().all()
    base = "no change"
    assert set(zip(read["task"], read["point"], strict=True)) == {
        (task, point) for task in TASKS for point in (chosen[task], base)
    }
    best = trials.groupby(["point", "task", "seed"])["validation_accuracy"].transform("max")
    assert (read["validation_accuracy"] == best[read.index]).all()
    assert len(read) == 2 * len({(t, p) for t in TASKS for p in (chosen[t], base)})
    learning = pd.read_csv(first[1].folder / "curves.csv.gz")
    assert not [name for name in learning if name.startswith("test")]


def test_the_picture_has_a_plot_per_name_and_task_where_it_acts(first):
    root = ElementTree.parse(first[1].folder / "points.svg").getroot()
    assert root.tag == SVG
    heads = [text.text for text in root.iter() if text.get("class") == "head"]
    assert heads == [
        *("Context Recall by momentum.mu", "Context Recall by chunk_size"),
        "Memorize by chunk_size",
    ]
    assert len(list(root.iter(SVG))) == 1 + len(heads)
    report = (first[1].folder / "report.md").read_text()
    assert "](points.svg)" in report
    assert "On memorization no value of `momentum.mu` has an effect" in report


def test_the_same_store_gives_the_same_bytes(first, tmp_path):
    again = make_sweep_record(first[0], out=tmp_path).folder
    for name in FILES:
        assert (again / name).read_bytes() == (first[1].folder / name).read_bytes(), name
    rebuilt = rebuild_sweep(again, tmp_path / "rebuilt").files
    assert {path.name for path in rebuilt} > {"report.md", "points.svg", "learned.csv"}
    for path in rebuilt:
        if path.name != "report.html":
            assert path.read_bytes() == (again / path.name).read_bytes(), path.name


def test_what_is_missing_is_refused_with_its_number(tmp_path):
    train(tmp_path / "mine", planned(), lost=lambda t: t.seed == 1 and t.learn)
    with pytest.raises(ArcherError, match=r"^2 of 32 trials are missing: run the sweep's command"):
        make_sweep_record(tmp_path / "mine", out=tmp_path / "records")
    assert not (tmp_path / "records").exists()
    made = make_sweep_record(tmp_path / "mine", out=tmp_path / "records", partial=True)
    assert made.notes[0] == "partial record: 2 of 32 trials are missing"
    assert "missing on in-context-recall: 2 trials, of mu=learned" in made.notes
    points = pd.read_csv(made.folder / "points.csv").set_index(["task", "point"])["mean"]
    assert points.isna().sum() == 1
    assert pd.isna(points["in-context-recall", "mu=learned"])
    assert rebuild_sweep(made.folder).difference is None
    assert unchecked(made.folder, 5) == []


def test_a_search_that_is_not_at_its_end_is_refused(first, tmp_path):
    there = Path(shutil.copytree(first[0], tmp_path / "mine"))
    points = planned().points
    searched = replace(planned(), kind="random", trials=5, one_at_a_time=False, points=())
    for come_to in (points[:1], points):
        with open_store(there) as store:
            note(store, searched, come_to)
            note(store, searched, points[:1])  # begun again, before it has come as far
            assert noted(store)[1].points == come_to
        untold = f"{5 - len(come_to)} of 5 points are not suggested yet"
        with pytest.raises(ArcherError, match=f"^0 of .* are missing, and {untold}"):
            make_sweep_record(there, number=2, out=tmp_path / "records")
    made = make_sweep_record(there, number=2, out=tmp_path / "records", partial=True)
    assert "the search had 1 of 5 points still to try" in made.notes
    assert "random search" in (made.folder / "report.md").read_text()
    assert rebuild_sweep(made.folder).difference is None


def test_a_store_may_hold_several_sweeps_and_a_benchmark(first, tmp_path):
    there = Path(shutil.copytree(first[0], tmp_path / "mine"))
    assert is_sweep(there)
    small = {"chunk_sizes": (), "one_at_a_time": False, "tasks": TASKS[1:], "lrs": (1e-3,)}
    train(there, planned("momentum.mu=0.5", **small))
    match = r"several sweeps: choose with --sweep \(1: momentum, mu and chunk_size, .*2: momentum"
    with pytest.raises(ArcherError, match=match):
        make_sweep_record(there, out=tmp_path)
    with pytest.raises(ArcherError, match="holds no sweep 3"):
        make_sweep_record(there, number=3, out=tmp_path)
    again = make_sweep_record(there, number=1, out=tmp_path)
    assert again.sizes["sweep.csv"] == first[1].sizes["sweep.csv"]
    made_up.train(there, make_plan([builtin_graph("delta")], smoke().only(TASKS[1:])))
    assert not is_sweep(there)
    assert is_sweep(there, preset="smoke (sweep)")
    assert not is_sweep(there, preset="smoke")


def test_what_is_to_be_recorded_beside_a_sweep_is_asked_with_what_there_is(first, tmp_path):
    there = Path(shutil.copytree(first[0], tmp_path / "mine"))
    made_up.train(there, make_plan([builtin_graph("delta")], smoke().only(TASKS[1:])))
    with pytest.raises(ArcherError, match="holds more than one record takes") as told:
        record_command(str(there), out=tmp_path / "records")
    assert str(told.value).endswith(
        "choose a table (--preset smoke --protocol strict) or sweep 1: momentum, mu and "
        "chunk_size, preset smoke (--sweep 1)"
    )
    for options in ({"preset": "smoke"}, {"rules": ("delta",)}, {"runs": (2,)}):
        with open_store(there) as store:
            assert list(gather(store, Choice(**options)).trials["rule"].unique()) == ["delta"]
    record_command(str(there), out=tmp_path / "records", name="sweep", sweep=1)
    record_command(str(there), out=tmp_path / "records", name="table", protocol="strict")
    made = {p.name.split("-")[-1]: p for p in (tmp_path / "records").iterdir()}
    assert (made["sweep"] / "sweep.json").exists()
    assert (made["table"] / "plan.json").exists()


def test_no_table_is_made_of_a_sweep(first, tmp_path):
    there = Path(shutil.copytree(first[0], tmp_path / "mine"))

    def refused(match, **choice):
        with open_store(there) as store, pytest.raises(ArcherError, match=match):
            gather(store, Choice(**choice))

    refused("holds no benchmark, but a sweep, of which no table is made: run `archer bench` first")
    made_up.train(there, make_plan([builtin_graph("delta")], smoke().only(TASKS[1:])))
    refused("run 1 is a sweep's: no table is made of it", runs=(1,))
    refused(r"nothing of preset smoke \(sweep\): it has smoke$", preset="smoke (sweep)")
    with open_store(there) as store:
        assert list(gather(store).trials["rule"].unique()) == ["delta"]


def test_the_commands_write_and_rebuild_a_record(first, made, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)

    def run(*args):
        with pytest.raises(SystemExit) as ended:
            main([*map(str, args)])
        return (int(ended.value.code or 0), *capfd.readouterr())

    code, out, error = run("record", first[0], "--name", "mine", "--command", "archer sweep x")
    assert (code, error) == (0, "")
    assert out.endswith("- `curves.csv.gz` holds every epoch of every trial\n")
    mine = tmp_path / "records" / made.name.replace("sweep-momentum-smoke", "mine")
    assert (mine / "command.txt").read_text() == "archer sweep x\n"
    code, out, error = run("sweep", "--from", mine)
    assert (code, error) == (0, "")
    assert "Chosen on validation data" in out
    assert out.endswith("equal to the record's tables\n")
    assert (tmp_path / "results" / mine.name / "report.html").exists()
    code, out, error = run("record", first[0], "--rules", "momentum")
    assert (code, out, error.count("\n")) == (2, "", 1)
    assert "are of tables: a sweep is recorded whole" in error
    chosen = pd.read_csv(made / "chosen.csv")
    chosen.assign(test_accuracy=0.5).to_csv(made / "chosen.csv", index=False)
    assert show_rebuilt(made) == 1  # `archer bench --from`
    said = "not equal: chosen.csv has 0.5 as test_accuracy in row 1; the trials give 0."
    assert said in capfd.readouterr().out


def test_a_sweep_is_not_read_as_a_table_of_rules(made):
    before = (made / "report.md").read_bytes()
    for use in (lambda: write_report(made), lambda: Comparison.load(made, made)):
        with pytest.raises(ArcherError, match=r"lacks the column 'row'|the record of a sweep"):
            use()
    assert (made / "report.md").read_bytes() == before


def edited(name, change):
    def damage(folder):
        data = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps(change(data)))

    return damage


def without_a_row(folder):
    trials = pd.read_csv(folder / "trials.csv.gz")
    trials[1:].to_csv(folder / "trials.csv.gz", index=False)


def without_a_column(folder):
    trials = pd.read_csv(folder / "trials.csv.gz")
    trials.drop(columns="point").to_csv(folder / "trials.csv.gz", index=False)


def with_cells(column, value):
    def damage(folder):
        trials = pd.read_csv(folder / "trials.csv.gz")
        trials[column] = value
        trials.to_csv(folder / "trials.csv.gz", index=False)

    return damage


def swept(**change):
    def edit(plan):
        first = plan["sweep"]["swept"][0] | change
        return plan | {"sweep": plan["sweep"] | {"swept": [first]}}

    return edited("sweep.json", edit)


BAD = {
    "words": (with_cells("validation_accuracy", "x"), "than numbers in the column 'validation_acc"),
    "endless": (with_cells("seconds", "9" * 400), "than numbers in the column 'seconds'"),
    "task": (with_cells("task", "x"), "a row of an unknown task, 'x'"),
    "name": (swept(name=None), "sweep.json is damaged"),
    "default": (swept(default=None), "sweep.json is damaged"),
    "newer": (edited("sweep.json", lambda p: p | {"format": 2}), "has format 2, this Archer knows"),
    "points": (edited("sweep.json", lambda p: p | {"points": p["points"][1:]}), "are not those of"),
    "plan": (edited("sweep.json", lambda p: p | {"sweep": {}}), "sweep.json is damaged"),
    "runs": (edited("environment.json", lambda p: {}), "environment.json lacks 'runs'"),
    "row": (without_a_row, "(31 rows, 32 promised): the record is damaged"),
    "column": (without_a_column, "lacks the column 'point'"),
    "cut": (lambda f: (f / "trials.csv.gz").write_bytes(b"\x1f\x8b"), "cannot be read"),
    "lost": (lambda f: (f / "trials.csv.gz").unlink(), "holds no trials.csv.gz"),
    "table": (lambda f: (f / "points.csv").unlink(), "holds no points.csv"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_damaged_record_is_told_in_one_line(made, tmp_path, case):
    damage, said = BAD[case]
    damage(made)
    with pytest.raises(ArcherError) as told:
        rebuild_sweep(made, tmp_path / "again")
    assert said in str(told.value)
    assert "\n" not in str(told.value)
    assert not (tmp_path / "again").exists()


def test_a_record_is_never_written_over_nor_by_halves(first, made, monkeypatch):
    with pytest.raises(ArcherError, match="is there already: give another --name"):
        make_sweep_record(first[0], out=made.parent)

    def full(*args, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(ArcherError, match="No space left on device"):
        make_sweep_record(first[0], out=made.parent, name="second")
    assert list(made.parent.iterdir()) == [made]


def test_every_sweep_record_of_the_repository(first, tmp_path):
    for record in (first[1].folder, *RECORDS):  # the one made here would pass as one of them
        assert sum(p.stat().st_size for p in record.rglob("*")) < 4 * 2**20
        again = tmp_path / record.name
        assert rebuild_sweep(record, again).difference is None
        for name in ("sweep.csv", "points.csv", "chosen.csv", "validation.csv"):
            assert (again / name).read_bytes() == (record / name).read_bytes()
        assert unchecked(record, 1) == []
        plan = json.loads((record / "sweep.json").read_text())
        assert plan["partial"] or plan["missing"] == plan["untold"] == 0
