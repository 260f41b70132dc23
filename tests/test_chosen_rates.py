"""`archer bench --rates-from`: fresh seeds at rates that another training chose."""

import gzip
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pytest

import archer
from archer.cli import main
from archer.errors import ArcherError
from archer.mad.plan import Population, make_plan
from archer.mad.presets import core, folder_name, mad, smoke
from archer.mad.rates import ChosenRates, called
from archer.record import Choice, make_record, rebuild
from archer.record.rates import best_rates
from archer.report.beside import lines
from archer.report.claims import verify_file
from archer.report.markdown import report
from archer.report.notes import next_steps, notes
from archer.report.study import Study
from archer.rules.load import builtin_graph
from archer.store import open_store
from archer.train.results import EpochMetrics, MemberResult, SplitMetrics

TASKS = ("in-context-recall", "memorization")
WORDS = ("--preset", "smoke", "--device", "cpu", "--tasks", *TASKS)
GRID = replace(smoke(), lrs=(1e-3, 3e-3), weight_decays=(0.0, 0.1))
NAME = "smoke (chosen rates)"
BEST = {  # what the source's validation data say, by rule and task
    ("delta", TASKS[0]): (1e-3, 0.1),
    ("momentum", TASKS[0]): (3e-3, 0.1),
    ("delta", TASKS[1]): (3e-3, 0.0),
}


def trained(folder, plan, best=BEST):
    """A store in which the best rates of a plan are known, and no training was done."""
    folder.mkdir(parents=True, exist_ok=True)
    with open_store(folder) as store, store.begin(plan, "cpu") as run:
        for trial in [trial for population in plan.populations for trial in population.trials]:
            rate = best.get((trial.rule.name, trial.setting.task), (1e-3, 0.0))
            good = 0.5 + 0.2 * ((trial.lr, trial.weight_decay) == rate) + 0.01 * trial.seed
            split = SplitMetrics(good, good / 2, 1.0, 2.0)
            epoch = EpochMetrics(1, 1.5, split, replace(split, accuracy=1 - good))
            result = MemberResult(steps=4, seconds=0.5, history=[epoch], best_epoch=1)
            if run.claim(Population((trial,))):
                run.finish({trial.id: result})
    return folder


def planned(*rules, preset=GRID, tasks=TASKS, **options):
    options.setdefault("seeds", 2)
    return make_plan([builtin_graph(rule) for rule in rules], preset.only(tasks), **options)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A record of two rules that have other best rates, and the store it was made from."""
    there = trained(tmp_path_factory.mktemp("rates") / "grid", planned("delta", "momentum"))
    return make_record(there, out=there.parent, name="source").folder, there


class Ran(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def run(capfd, monkeypatch, tmp_path):
    """A command in this process, inside an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def command(*words):
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
        found = capfd.readouterr()
        return Ran(int(ended.value.code or 0), found.out, found.err)

    return command


@pytest.fixture(scope="module")
def fresh(source, tmp_path_factory):
    """Really trained: three fresh seeds of both rules at the rates of the record."""
    out = tmp_path_factory.mktemp("fresh") / "out"
    archer.bench(
        ["delta", "momentum"],
        preset="smoke",
        tasks=TASKS,
        rates_from=source[0],
        first_seed=3,
        seeds=3,
        device="cpu",
        out=out,
        progress=False,
    )
    return out


@pytest.fixture(scope="module")
def record(fresh, tmp_path_factory):
    return make_record(fresh, out=tmp_path_factory.mktemp("records")).folder


def copy(folder, to):
    return Path(shutil.copytree(folder, to))


def at(trials):
    """Rates by rule and task."""
    rows = trials[["rule", "task", "lr", "weight_decay"]].drop_duplicates()
    assert not rows.duplicated(["rule", "task"]).any()
    return {(rule, task): rate for rule, task, *rate in rows.itertuples(index=False)}


# --- training -----------------------------------------------------------------------------------


def test_each_rule_has_its_own_rates_and_the_seeds_are_fresh(fresh, source):
    trials = pd.read_csv(fresh / "trials.csv")
    same = {("momentum", TASKS[1]): BEST["delta", TASKS[1]]}  # there it is delta
    assert at(trials) == {place: [*rate] for place, rate in (BEST | same).items()}
    assert sorted(set(trials["seed"])) == [3, 4, 5]
    assert len(trials) == 2 * 2 * 3
    assert set(trials["preset"]) == {NAME}
    assert set(trials["rates_from"]) == {source[0].name}
    assert set(trials["rates_seeds"]) == {"0 1"}
    assert (trials["rates_of"] == trials["rule"]).all()
    memorize = trials[(trials["rule"] == "momentum") & (trials["task"] == TASKS[1])]
    assert set(memorize["identical_to"]) == {"delta"}


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ("records/2026-core", "records/2026-core"),
        ("/somewhere/core", "core"),
        ("postgresql://me:***@host/db", "postgresql://me:***@host/db"),
    ],
)
def test_a_source_is_called_what_others_can_know_it_by(given, named):
    assert called(given) == named
    told = ChosenRates("delta", "delta", given, (0,), ()).to_json()
    assert ChosenRates.from_json(told).source == named


def test_a_store_gives_the_rates_that_its_record_gives(source):
    found, of_store = (best_rates(each, ["momentum", "delta"], GRID.only(TASKS)) for each in source)
    assert [each.rates for each in found] == [each.rates for each in of_store]
    assert [each.seeds for each in found] == [(0, 1), (0, 1)]


def test_what_a_grid_has_trained_is_not_trained_again(source, run, tmp_path):
    out = trained(tmp_path / "out", planned("delta", "momentum", seeds=4))
    words = ("bench", "delta", "momentum", *WORDS, "--rates-from", source[0], "--out", out)
    found = run(*words, "--seeds", 3, "--first-seed", 1)
    assert found.err == f"9 of 9 trials found in {out / 'archer.db'}\n"
    more = run(*words, "--seeds", 4, "--first-seed", 1)
    first, *trained_now = more.err.splitlines()
    assert first == f"9 of 12 trials found in {out / 'archer.db'}"
    assert len(trained_now) == 3
    assert run(*words, "--seeds", 4, "--first-seed", 1).err.startswith("12 of 12 trials found")


def test_a_first_seed_is_of_the_grid_as_well(run, tmp_path):
    words = ("bench", "delta", *WORDS, "--seeds", 2, "--first-seed", 7, "--out", tmp_path / "x")
    assert "mean over 2 seeds (7 and 8)" in run(*words).out
    trials = pd.read_csv(tmp_path / "x" / "trials.csv")
    assert sorted(set(trials["seed"])) == [7, 8]
    assert set(trials["preset"]) == {"smoke"}
    assert "rates_from" not in trials
    text = (tmp_path / "x" / "report.md").read_text()
    assert "mean over settings and 2 seeds (7 and 8)." in text


def test_one_rules_rates_serve_all(source, run, tmp_path):
    words = ("bench", "adam", "delta", *WORDS, "--rates-from", source[0], "--rates-of", "delta")
    found = run(*words, "--seeds", 1, "--first-seed", 1)
    assert found.code == 0
    assert "by the mean validation accuracy of `delta` over seeds 0 and 1" in found.out
    assert "seed 1, which the table is of as well, had a part in the choice." in found.out
    trials = pd.read_csv(tmp_path / "results" / "smoke-chosen-rates" / "trials.csv")
    expected = {(r, task): [*BEST["delta", task]] for r in ("adam", "delta") for task in TASKS}
    assert at(trials) == expected
    assert set(trials["rates_of"]) == {"delta"}


def test_a_dry_run_counts_one_point_of_the_grid(source, run, tmp_path):
    late = ("--first-seed", 3, "--seeds", 5, "--dry-run")
    found = run("bench", "delta", "momentum", *WORDS, "--rates-from", source[0], *late)
    assert "trials       20 (15 trained" in found.out
    assert "trials       10 " in run("bench", "delta", *WORDS, *late).out
    assert list(tmp_path.iterdir()) == []


# --- refusals -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("adam", "--rates-from", "SOURCE"),
            "SOURCE holds no trials of adam in preset smoke, protocol strict: train it there "
            "first, name another source, or give --rates-of a rule it has (delta, momentum)",
        ),
        (("delta", "--rates-from", "SOURCE", "--rates-of", "adam"), "holds no trials of adam"),
        (("delta", "--rates-of", "delta"), "give --rates-from as well"),
        (
            ("delta", "--rates-from", "SOURCE", "--protocol", "mad-lab"),
            "under protocol mad-lab is the maximum over the grid: leave out one of them",
        ),
        (("delta", "--rates-from", "nowhere"), "nowhere/archer.db: no store there"),
        (("delta", "--first-seed", "-1"), "first_seed=-1: seeds begin at 0"),
        (
            ("delta", "--rates-from", "SOURCE", "--preset", "quick"),
            "SOURCE holds nothing of preset quick, protocol strict: it is of preset smoke",
        ),
        (
            ("delta", "--rates-from", "SOURCE", "--tasks", "compression"),
            "delta is not trained to the end on compression",
        ),
        (("--from", "SOURCE", "--first-seed", "2"), "give no --first-seed with it"),
        (("--from", "SOURCE", "--rates-from", "SOURCE"), "give no --rates-from with it"),
    ],
)
@pytest.mark.parametrize("kind", ["record", "store"])
def test_a_mistake_costs_one_line_and_exit_code_2(source, run, tmp_path, words, message, kind):
    where = str(source[kind == "store"])
    if kind == "store" and "quick" in words:
        message = "holds nothing of preset quick: it has smoke"
    words = [where if word == "SOURCE" else word for word in words]
    usual = {"--preset": ("smoke",), "--tasks": TASKS}
    if "--from" in words:
        usual = {}
    ours = [word for name in usual if name not in words for word in (name, *usual[name])]
    found = run("bench", *words, *ours)
    assert found.code == 2, found
    assert found.err.startswith("error: ")
    assert found.err.count("\n") == 1
    assert message.replace("SOURCE", where) in found.err
    assert list(tmp_path.iterdir()) == []


def test_chosen_rates_choose_no_rates(fresh, record, run):
    for where, has in ((record, "it is of preset"), (fresh, "it has")):
        found = run("bench", "delta", *WORDS, "--rates-from", where)
        assert found.code == 2
        assert f"{has} {NAME}" in found.err


def test_help_names_the_options(run):
    text = run("bench", "--help").out
    for option in ("--first-seed INT", "--rates-from DIR", "--rates-of RULE"):
        assert option in text


# --- what is said of it -------------------------------------------------------------------------


def test_the_report_says_by_what_the_rates_were_chosen(fresh, source):
    study = Study.load(fresh)
    said = (
        "Learning rate and weight decay were chosen beforehand, for every setting, by the mean "
        f"validation accuracy of the rule over seeds 0 and 1 in `{source[0].name}`; seeds 3 to 5, "
        "which the table is of, had no part in the choice."
    )
    assert notes(study).count(said) == 1
    text = report(study)
    assert said in text
    assert "protocol `strict` at rates chosen beforehand" in text
    assert "learning rate x weight decay are chosen" not in text
    assert "mean over settings and 3 seeds (3 to 5)." in text
    assert not [step for step in next_steps(study) if "learning rate" in step]
    page = (fresh / "report.html").read_text()
    assert "were chosen beforehand, for every setting" in page


def test_several_sources_are_told_apart(fresh):
    trials = pd.read_csv(fresh / "trials.csv", dtype={"rates_seeds": str})
    momentum = trials["rule"] == "momentum"
    trials.loc[momentum, ["rates_from", "rates_seeds"]] = ["mine", "4"]
    first, second = (note for note in notes(Study(trials)) if "beforehand" in note)
    assert first.startswith("Learning rate and weight decay of `delta` were chosen beforehand")
    assert second.endswith(
        "of `momentum` over seed 4 in `mine`; seed 4, which the table is of as well, had a part "
        "in the choice."
    )


@pytest.mark.parametrize(("preset", "published"), [(core, False), (mad, True)])
def test_a_whole_preset_stays_comparable(preset, published, tmp_path):
    plan = planned("delta", preset=preset(), tasks=None, seeds=1)
    source = trained(tmp_path / "grid", plan)
    rates = best_rates(source, ["delta"], preset())
    at_rates = planned("delta", preset=preset(), tasks=None, rates=rates, first_seed=1)
    there = trained(tmp_path / "fresh", at_rates)
    study = Study.load(make_record(there, out=tmp_path).folder)
    assert study.preset == f"{preset().name} (chosen rates)"
    assert len(study.trials) == 2 * len(preset().settings)
    assert not [note for note in notes(study) if "comparable" in note]
    assert any(line.published for line in lines(study)) == published


def test_there_is_no_grid_for_the_other_protocol_to_choose_from(fresh, run, tmp_path):
    for options in ((), ("--preset", NAME)):
        said = run("record", fresh, "--protocol", "mad-lab", *options)
        assert (said.code, said.out, said.err.count("\n")) == (2, "", 1)
        assert said.err.endswith(
            "holds nothing of protocol mad-lab: it has strict, at rates chosen beforehand, and a "
            "score of mad-lab is the best of a grid: leave out --protocol, or run bench with "
            "--protocol mad-lab and without --rates-from\n"
        )
    out = copy(fresh, tmp_path / "both")
    archer.bench("delta", preset="smoke", tasks=TASKS, device="cpu", store=out, progress=False)
    said = run("record", out, "--protocol", "mad-lab", "--preset", "smoke")
    assert "; the same bench with --protocol mad-lab makes it of the same trainings" in said.err


def test_status_shows_it_apart_and_one_record_holds_one_of_them(source, fresh, run, tmp_path):
    out = copy(fresh, tmp_path / "both")
    archer.bench("delta", preset="smoke", tasks=TASKS, device="cpu", store=out, progress=False)
    text = run("status", out).out
    assert "preset smoke, protocol strict: 2 of 2 trials done" in text
    assert f"preset {NAME}, protocol strict: 9 of 9 trials done" in text
    found = run("record", out)
    assert found.code == 2
    assert f"holds presets {NAME} and smoke, and one table holds one: choose with --preset" in (
        found.err
    )
    for preset, seeds in (("smoke", {0}), (NAME, {3, 4, 5})):
        assert run("record", out, "--preset", preset, "--out", "r").code == 0
        made = next((tmp_path / "r").glob(f"*-{folder_name(preset)}"))
        assert set(Study.load(made).trials["seed"]) == seeds
    found = best_rates(out, ["delta"], smoke().only(TASKS))
    assert {each.seeds for each in found} == {(0,)}, "no rates from chosen rates"
    with pytest.raises(ArcherError, match="holds no trials of momentum"):
        best_rates(out, ["momentum"], smoke().only(TASKS))


# --- records ------------------------------------------------------------------------------------


def test_a_record_holds_the_very_table_and_says_where_rates_are_from(record, fresh, source, run):
    assert record.name.endswith("-smoke-chosen-rates")
    trials = gzip.decompress((record / "trials.csv.gz").read_bytes()).decode()
    assert trials == (fresh / "trials.csv").read_text()
    assert (record / "results.csv").read_text() == (fresh / "results.csv").read_text()
    plan = json.loads((record / "plan.json").read_text())
    assert (plan["format"], plan["preset"], plan["seeds"]) == (2, NAME, [3, 4, 5])
    told = [(each["rule"], each["source"], each["seeds"]) for each in plan["rates"]]
    assert told == [(rule, source[0].name, [0, 1]) for rule in ("delta", "momentum")]
    assert [rate[1:] for rate in plan["rates"][1]["rates"]] == [[3e-3, 0.1], [3e-3, 0.0]]
    assert rebuild(record).difference is None
    found = run("bench", "--from", record, "--out", "again")
    assert found.code == 0
    assert "were chosen beforehand" in found.out
    assert Path("again/report.md").read_text() == (record / "report.md").read_text()
    assert run("report", record, "--out", "page.html").code == 0
    assert run("compare", record, fresh).out.count("unchanged") >= 4
    verdicts = verify_file(record / "report.md", record)
    assert len(verdicts) > 20
    assert {v.status for v in verdicts} == {"confirmed"}
    assert run("verify", record / "report.md", "--table", record).code == 0


def test_against_the_grid_a_comparison_says_what_differs(record, source, run):
    text = run("compare", source[0], record).out
    assert f"preset: smoke in A, {NAME} in B" in text
    assert f"rates_from: the grid in A, {source[0].name} in B" in text


def spoilt(record, to, change=lambda frame: frame, plan=lambda plan: plan):
    made = copy(record, to)
    frame = pd.read_csv(made / "trials.csv.gz", dtype={"trial": str, "rates_seeds": str})
    text = change(frame).to_csv(index=False)
    (made / "trials.csv.gz").write_bytes(gzip.compress(text.encode()))
    told = json.loads((made / "plan.json").read_text())
    (made / "plan.json").write_text(json.dumps(plan(told)))
    return made


def first_row(**values):
    return lambda frame: frame.assign(
        **{name: [value, *frame[name][1:]] for name, value in values.items()}
    )


def promise(trials):
    return lambda plan: plan | {"trials": trials}


@pytest.mark.parametrize(
    "changes",
    [
        {"change": lambda frame: frame.drop(index=0)},
        {"change": lambda frame: frame.drop(index=0), "plan": promise(11)},
        {"change": lambda frame: pd.concat([frame[:1], frame])},
        {"change": lambda frame: pd.concat([frame[:1], frame]), "plan": promise(13)},
        {"change": first_row(lr=3e-3)},
        {"change": first_row(weight_decay=0.0)},
        {"change": first_row(seed=9)},
        {"change": first_row(rates_seeds="0")},
        {"change": first_row(rates_from=None)},
        {"change": lambda frame: frame.drop(columns="rates_of")},
        {"plan": lambda plan: plan | {"rates": plan["rates"][:1]}},
        {"plan": lambda plan: {**plan, "rates": None}},
        {"plan": lambda plan: {**plan, "format": 1}},
        {"plan": lambda plan: {**plan, "format": 3}},
    ],
)
def test_a_damaged_record_is_refused(record, tmp_path, changes):
    assert Study.load(spoilt(record, tmp_path / "whole")).seeds == 3
    with pytest.raises(ArcherError, match=r"the record is damaged|update Archer"):
        Study.load(spoilt(record, tmp_path / "spoilt", **changes))


def test_rules_of_an_ordinary_record_may_not_differ_in_their_rates(source, tmp_path):
    def other(frame):
        mine = (frame["rule"] == "momentum") & (frame["lr"] == 1e-3)
        return frame.assign(lr=frame["lr"].mask(mine, 5e-3))

    with pytest.raises(ArcherError, match=r"are not those of plan\.json"):
        Study.load(spoilt(source[0], tmp_path / "spoilt", other))


def test_rules_of_several_commands_and_sources_make_one_table(source, tmp_path):
    """Each from where it was trained; on the task that momentum lacks, its rates are unknown."""
    there, preset = tmp_path / "mine", GRID.only(TASKS)
    recall = {"tasks": TASKS[:1], "first_seed": 3}
    mine = best_rates(source[0], ["momentum"], preset.only(TASKS[:1]))
    trained(there, planned("delta", rates=best_rates(source[0], ["delta"], preset), first_seed=3))
    trained(there, planned("momentum", rates=mine, **recall))
    with pytest.raises(ArcherError, match=r"2 of 8 trials are missing .* `momentum` on Memorize"):
        make_record(there, out=tmp_path)
    made = make_record(there, out=tmp_path, partial=True).folder
    lost = Study.load(made).trials.query("status == 'missing'")
    assert lost[["rule", "seed"]].values.tolist() == [["momentum", 3], ["momentum", 4]]
    assert lost[["lr", "weight_decay", "rates_from"]].isna().all(axis=None)
    assert rebuild(made).difference is None
    other = best_rates(source[1], ["momentum"], preset)
    trained(there, planned("momentum", rates=other, first_seed=5))
    with pytest.raises(ArcherError, match=r"momentum was run on in-context-recall.* chosen in two"):
        make_record(there, out=tmp_path, name="x")
    whole = Choice(runs=(1, 3))
    with pytest.raises(ArcherError, match="8 of 16 trials are missing"):
        make_record(there, out=tmp_path, name="x", choice=whole)
    trained(there, planned("momentum", rates=other, first_seed=3))
    made = make_record(there, out=tmp_path, name="x", choice=Choice(runs=(1, 4))).folder
    told = {each["source"] for each in json.loads((made / "plan.json").read_text())["rates"]}
    assert told == {each.name for each in source}
    assert rebuild(made).difference is None
