"""Records of searches: made from a store, rebuilt from text, and true."""

import gzip
import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest
from sqlalchemy import select
from standins import FakeLab, Family, StoringLab
from test_loop import QUICK, loop
from test_reports import Wordy

from archer.cli.record import record as record_command
from archer.cli.research import research
from archer.errors import ArcherError
from archer.mad.plan import Population, make_plan
from archer.mad.presets import smoke
from archer.record import gather
from archer.report.study import Study
from archer.research.ledger import Ledger
from archer.research.overview import Overview
from archer.research.record import load, make_search_record, rebuild
from archer.research.record.about import checked
from archer.research.settings import Budget
from archer.research.summary import summary
from archer.research.tables import sessions
from archer.rules.load import builtin_graph
from archer.store import open_store
from archer.store.environment import environment
from archer.store.schema import plans, runs

DAY = datetime.now(UTC).strftime("%Y-%m-%d")
RECORDS = sorted(p.parent for p in (Path(__file__).parents[2] / "records").glob("*/research.json"))
FILES = {
    *("candidates.json", "command.txt", "curves.csv.gz", "dialogues.json.gz", "environment.json"),
    *("family.svg", "figures.json", "fresh-quick.csv", "research.json", "results.csv"),
    *("scores.csv", "search_trials.csv.gz", "summary.md"),
}


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """The folder of a search with a control, one candidate promoted and one refused."""
    folder = tmp_path_factory.mktemp("searched") / "mine"
    proposers = {"search": Wordy([0.9, 0.5]), "control": Family([1.1, -1.0])}
    settings = replace(QUICK, budget=Budget(2), control=True)
    loop(folder, settings, proposers, lab=StoringLab).run()
    return folder


@pytest.fixture(scope="module")
def whole(searched):
    record_command(str(searched), out=searched.parent / "records", command=("archer it",))
    return searched.parent / "records" / f"{DAY}-search-quick"


@pytest.fixture
def made(whole, tmp_path):
    return Path(shutil.copytree(whole, tmp_path / whole.name))


def test_a_record_says_all_that_the_store_does(searched, made):
    names = {str(p.relative_to(made)) for p in made.rglob("*") if p.is_file()}
    record = load(made)
    with open_store(searched) as store:
        ledger = Ledger(store)
        (session,) = ledger.sessions()
        assert replace(record.sessions()[0], environment=session.environment) == session
        passed = [e.name for e in ledger.entries() if e.graph is not None]
        rules = {f"rules/{name}.json" for name in passed}
        reports = {f"candidates/{e.id}.md" for e in ledger.entries() if e.source}
        assert names == FILES | rules | reports
        assert [repr(e) for e in record.entries()] == [repr(e) for e in ledger.entries()]
        for entry in ledger.entries():
            assert record.verdicts(entry) == ledger.verdicts(entry)
            assert record.dialogue(entry) == ledger.dialogue(entry)
        for split in ("validation", "test"):
            pd.testing.assert_frame_equal(record.scores(1, split), ledger.scores(1, split))
        text = summary(Overview.load(ledger, session))
    assert (made / "summary.md").read_text().startswith(text)
    assert "machine" not in (made / "environment.json").read_text().replace('"machines"', "")


def test_it_rebuilds_and_its_statements_hold(made, tmp_path):
    found = rebuild(made, tmp_path / "again")
    assert (found.difference, found.reworded) == (None, False)
    for name in ("summary.md", "family.svg", "figures.json", "results.csv", "fresh-quick.csv"):
        assert (tmp_path / "again" / name).read_bytes() == (made / name).read_bytes(), name
    assert "<svg" in (tmp_path / "again" / "research.html").read_text()
    statuses = [status for _, status in checked((made / "summary.md").read_text(), found.overview)]
    assert statuses.count("confirmed") >= 2
    assert "refuted" not in statuses
    svg = (made / "family.svg").read_text()
    assert svg.startswith('<svg xmlns="http://www.w3.org/2000/svg" width="760"')
    assert svg.count('class="descent') == 2


def test_the_same_store_gives_the_same_bytes(searched, made, tmp_path):
    told = ["archer it"]
    again = make_search_record(searched, out=tmp_path, name="mine", commands=told).folder
    for path in made.rglob("*"):
        assert path.is_dir() or path.read_bytes() == (again / path.relative_to(made)).read_bytes()


def test_test_data_are_those_that_the_search_has_read(made):
    trials = pd.read_csv(made / "search_trials.csv.gz")
    read = trials[trials["test_accuracy"].notna()]
    assert set(read["seed"]) == {5, 6, 7}  # the search used seed 0, the bar 0 to 4
    assert set(read["rule"]) == {"delta", "gated_delta", "scaled0"}  # the one that was promoted
    assert trials["validation_accuracy"].notna().all()
    curves = gzip.decompress((made / "curves.csv.gz").read_bytes()).decode()
    assert "test" not in curves


def spoil_json(path, change):
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


def test_what_was_changed_by_hand_is_seen(made):
    scores = made / "scores.csv"
    lines = scores.read_text().splitlines()
    *before, _ = lines[1].split(",")
    scores.write_text("\n".join([lines[0], ",".join([*before, "0.999"]), *lines[2:]]) + "\n")
    assert f"scores.csv has 0.999 for scaled0_{before[1]} on" in (rebuild(made).difference or "")
    scores.write_text("\n".join(lines) + "\n")
    assert rebuild(made).difference is None

    def better(data):
        data["sessions"][0]["claims"][0]["p_holm"] /= 10

    spoil_json(made / "figures.json", better)
    assert "for figures.sessions[0].claims[0].p_holm" in (rebuild(made).difference or "")
    (made / "summary.md").write_text("All is well.\n")
    assert rebuild(made).reworded


@pytest.mark.parametrize("lost", ["scores.csv", "candidates.json", "environment.json"])
def test_a_record_with_a_gap_is_refused(made, lost):
    (made / lost).unlink()
    with pytest.raises(ArcherError, match=lost.partition(".")[0]):
        rebuild(made)


def test_a_candidate_or_a_rule_that_is_gone_is_missed(made):
    spoil_json(made / "candidates.json", lambda told: told.pop())
    with pytest.raises(ArcherError, match=r"are not those of research\.json"):
        rebuild(made)
    (made / "rules" / "scaled0.json").unlink()
    with pytest.raises(ArcherError, match=r"scaled0\.json"):
        rebuild(made)


def test_a_search_that_has_not_ended_is_recorded_only_in_part(searched, tmp_path, monkeypatch):
    folder = Path(shutil.copytree(searched, tmp_path / "mine"))
    with open_store(folder) as store, store.transaction() as connection:
        connection.execute(sessions.update().values(ended=None, why=""))
    with pytest.raises(ArcherError, match="has not ended"):
        make_search_record(folder, out=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    monkeypatch.setattr("archer.research.record.write.candidate_text", lambda *_: "")  # slow
    made = make_search_record(folder, out=tmp_path, partial=True).folder
    assert "partial record: the search has not ended" in (made / "summary.md").read_text()
    assert rebuild(made).difference is None
    with pytest.raises(ArcherError, match="is there already"):
        make_search_record(folder, out=tmp_path, partial=True)


def test_commands_on_a_record(searched, made, tmp_path, capsys):
    assert (made / "command.txt").read_text() == "archer it\n"
    assert research(from_=made, out=tmp_path / "again") == 0
    assert "equal to the record's figures" in capsys.readouterr().out
    research(("tree", str(made)))
    assert "scaled0" in capsys.readouterr().out
    research(("show", str(made), "92e47942"))  # promoting reads it in the same way
    said = capsys.readouterr().out
    assert "S + 0.9 * dS" in said
    assert "record: " in said.lower()
    with pytest.raises(ArcherError, match="is a record: it cannot be resumed"):
        research(("resume", str(made)))
    with pytest.raises(ArcherError, match="a search is recorded whole"):
        record_command(str(searched), out=tmp_path / "other", preset="quick")


# --- a store that holds other things too --------------------------------------------------------


@pytest.fixture
def shared(searched, tmp_path):
    """The search's store after a benchmark of two rules on a preset the search has trained on."""
    folder = Path(shutil.copytree(searched, tmp_path / "shared"))
    graphs = [builtin_graph(rule) for rule in ("delta", "momentum")]
    plan = make_plan(graphs, smoke().only(["compression"]))
    with open_store(folder) as store, store.begin(plan, "cpu") as run:
        trials = {row.trial.id: row.trial for row in plan.rows}
        left = [t for id, t in trials.items() if id not in store.results(sorted(trials))]
        assert run.claim(Population(tuple(left)))
        run.finish({trial.id: FakeLab(store)._result(trial, 1.0) for trial in left})
    return folder


def test_a_store_of_a_search_and_a_benchmark_is_not_recorded_at_a_guess(shared, tmp_path):
    with pytest.raises(ArcherError, match=r"holds more than one record takes; choose ") as refused:
        record_command(str(shared), out=tmp_path / "records")
    assert "\n" not in str(refused.value)
    listed = "the search (--search) or a table (--preset smoke --protocol strict)"
    assert str(refused.value).endswith(listed)
    assert not (tmp_path / "records").exists()


@pytest.mark.parametrize(
    "choice",
    [{"preset": "smoke"}, {"protocol": "strict"}, {"tasks": ("compression",)}, {"runs": (-1,)}],
)
def test_options_that_choose_take_the_table(shared, tmp_path, choice):
    with open_store(shared) as store:
        last = store.runs()[-1]["id"]
    choice = {"runs": (last,)} if "runs" in choice else choice
    record_command(str(shared), out=tmp_path / "records", name="table", **choice)
    found = Study.load(tmp_path / "records" / f"{DAY}-table")
    assert list(found.rules) == ["delta", "momentum"]
    assert list(found.table.columns) == ["Compress"]
    assert not (found.trials["status"] == "missing").any()


def test_the_search_is_taken_when_it_is_asked_for(shared, made, tmp_path):
    told = {"name": "mine", "command": ("archer it",)}
    record_command(str(shared), out=tmp_path / "records", search=True, **told)
    for name in ("scores.csv", "search_trials.csv.gz", "summary.md"):
        there = tmp_path / "records" / f"{DAY}-mine" / name
        assert there.read_bytes() == (made / name).read_bytes(), name
    with pytest.raises(ArcherError, match="a search is recorded whole"):
        record_command(str(shared), out=tmp_path, search=True, tasks=("compression",))


def test_a_run_of_the_search_is_no_table(shared, tmp_path):
    with pytest.raises(ArcherError, match="run 1 is a search's: no table is made of it"):
        record_command(str(shared), out=tmp_path / "records", runs=(1,))


def test_where_no_search_is_none_is_recorded(tmp_path):
    with (
        open_store(tmp_path / "other.db") as store,
        store.begin(make_plan([builtin_graph("delta")], smoke()), "cpu"),
    ):
        pass
    with pytest.raises(ArcherError, match="holds no search: leave out --search"):
        record_command(str(tmp_path / "other.db"), search=True)


def test_other_readers_of_the_store_see_the_benchmark_alone(shared):
    with open_store(shared) as store:
        found = gather(store)
    assert {row.rule for row in found.plan.rows} == {"delta", "momentum"}
    assert found.missing.empty


def test_searches_of_before_plans_were_named_are_told_by_their_command(shared):
    with open_store(shared) as store, store.transaction() as connection:
        for plan in connection.execute(select(plans)).all():
            plain = plan.preset.removesuffix(" (search)")
            connection.execute(plans.update().where(plans.c.id == plan.id).values(preset=plain))
            if plain != plan.preset:
                asked = runs.update().where(runs.c.plan == plan.id)
                told = json.dumps(environment("cpu") | {"command": ["/bin/archer", "research"]})
                connection.execute(asked.values(environment=told))
    with open_store(shared) as store:
        assert {row.rule for row in gather(store).plan.rows} == {"delta", "momentum"}
        assert all(plan["preset"] in ("smoke", "quick") for plan in store.plans())


@pytest.mark.parametrize("record", RECORDS, ids=lambda path: path.name)
def test_every_record_of_a_search_here_rebuilds_and_holds(record):
    found = rebuild(record)
    assert found.difference is None
    text = (record / "summary.md").read_text()
    assert [told for told, status in checked(text, found.overview) if status == "refuted"] == []
