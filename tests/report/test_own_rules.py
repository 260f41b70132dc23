"""Rules of one's own in reports: what their authors wrote, slots, knobs, and what is not known."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from archer.check import contender
from archer.errors import ArcherError
from archer.mad.plan import Knobs, Population, make_plan
from archer.mad.presets import smoke as smoke_preset
from archer.mad.results import Results, curves_frame, trials_frame
from archer.record import Choice, make_record, rebuild
from archer.report.costs import costs
from archer.report.expectations import expectations
from archer.report.files import write_report, write_results
from archer.report.own_rules import UNTOLD
from archer.report.study import Study
from archer.report.tuning import tuned
from archer.rules.load import builtin_graph
from archer.store import STORE_FILE, open_store

WROTE = '''
"""My rule: momentum that is not dampened.

    m_n = mu * m_{n-1} + dS_n         (1)

```
a fence of its author's
```
"""

from archer import Knob, Rule


class MyRule(Rule):
    mu = Knob(0.5, low=0.0, high=1.0)
    slots = ("m",)
    expects = {"in-context-recall": "down"}

    def write(self, S, dS, slots, p):
        m = p.mu * slots.m + dS
        return S + m, {"m": m}
'''
BOTH, SHORT = ("in-context-recall", "memorization"), ("memorization",)  # SHORT: one chunk


@pytest.fixture
def rule(tmp_path: Path) -> Path:
    path = tmp_path / "my_rule.py"
    path.write_text(WROTE.lstrip())
    return path


@pytest.fixture
def train(member, tmp_path, rule):
    """As if `archer bench delta my_rule.py` had run, in the state the file is in."""

    def run(tasks=BOTH, folder="mine", **options) -> Path:
        own = contender(str(rule), "cpu")
        plan = make_plan([builtin_graph("delta"), own], smoke_preset().only(tasks), **options)
        there, trials = tmp_path / folder, [t for p in plan.populations for t in p.trials]
        there.mkdir(exist_ok=True)
        outcomes = {trial.id: member(0.5 + 0.01 * i) for i, trial in enumerate(trials)}
        with open_store(there) as store, store.begin(plan, "cpu") as at_work:
            for trial in trials:
                if at_work.claim(Population((trial,))):
                    at_work.finish({trial.id: outcomes[trial.id]})
        frames = trials_frame(plan, outcomes, {}, "cpu"), curves_frame(outcomes)
        write_results(Results(plan, frames[0], 1.0, "cpu", curves=frames[1]), there)
        return there

    return run


def forget(folder: Path) -> None:
    """The folder as a version of before runs told of rules would have left it."""
    engine = create_engine(f"sqlite:///{folder / STORE_FILE}")
    with engine.begin() as connection:
        for id, told in connection.execute(text("SELECT id, environment FROM runs")).all():
            kept = {k: v for k, v in json.loads(told).items() if k != "rules"}
            change = text("UPDATE runs SET environment = :told WHERE id = :id")
            connection.execute(change, {"told": json.dumps(kept), "id": id})
    engine.dispose()
    shutil.rmtree(folder / "rules")


def slots(folder: Path) -> int | None:
    return {cost.rule: cost.slots for cost in costs(Study.load(folder))}["my_rule"]


def reports(folder: Path) -> tuple[str, str]:
    write_report(folder)
    return (folder / "report.md").read_text(), (folder / "report.html").read_text()


def test_text_and_slots_are_told_by_the_benchmark_its_record_and_what_is_rebuilt(train, tmp_path):
    folder = train()
    made = make_record(folder, out=tmp_path / "records").folder
    assert rebuild(made, tmp_path / "again").difference is None
    told = [(folder / "report.md").read_text(), (folder / "report.html").read_text()]
    for where in (folder, made, tmp_path / "again"):
        told += reports(where)
        assert slots(where) == 1
    for report in told:
        assert "My rule: momentum that is not dampened." in report
        assert "m_n = mu * m_{n-1} + dS_n         (1)" in report
        assert UNTOLD not in report
        assert "unknown" not in report
    assert "````\n    m_n = mu" in told[0], "a fence that the author's own does not end"
    rules = [where / "rules" / "my_rule.json" for where in (folder, made)]
    assert rules[0].read_bytes() == rules[1].read_bytes()
    assert "rules" not in json.loads((made / "environment.json").read_text())["runs"][0]


def test_a_rule_whose_file_says_nothing_is_not_said_to_be_unknown(train, rule):
    rule.write_text(re.sub('""".*?"""', "", WROTE, flags=re.DOTALL))
    markdown, page = reports(train())
    assert UNTOLD not in markdown + page


def test_slots_are_counted_where_only_one_chunk_was_trained_on(train, tmp_path):
    folder = train(SHORT)
    made = make_record(folder, out=tmp_path / "records").folder
    assert (slots(folder), slots(made)) == (1, 1)


def test_stores_folders_and_records_of_before_say_what_is_not_known(train, tmp_path):
    folder = train()
    forget(folder)
    made = make_record(folder, out=tmp_path / "records").folder
    assert "about" not in json.loads((made / "rules" / "my_rule.json").read_text())
    assert (slots(folder), slots(made)) == (None, 1), "the record has the graph of long sequences"
    for where in (folder, made):
        for report in reports(where):
            assert UNTOLD in report
    short = train(SHORT, "short")
    forget(short)
    made = make_record(short, out=tmp_path / "records", name="short").folder
    assert slots(made) is None, "one chunk: what is left of the rule has no slots"
    assert "| unknown |" in reports(made)[0]


def test_the_same_command_again_keeps_what_was_not_kept(train, tmp_path):
    forget(train())
    folder = train()
    made = make_record(folder, out=tmp_path / "records").folder
    assert (slots(folder), slots(made)) == (1, 1)
    assert UNTOLD not in reports(made)[0]


def test_of_several_texts_the_last_is_told(train, rule, tmp_path):
    train()
    rule.write_text(WROTE.replace("not dampened", "whole"))
    made = make_record(train(), out=tmp_path / "records").folder
    assert "My rule: momentum that is whole." in reports(made)[0]


def test_equations_that_changed_between_tasks_are_no_one_rule(train, rule, tmp_path):
    train(("in-context-recall",))
    rule.write_text(WROTE.replace("return S + m", "return S + 2 * m"))
    folder = train(("noisy-in-context-recall",))
    with pytest.raises(ArcherError, match=r"my_rule was run in two ways \(its equations have"):
        make_record(folder, out=tmp_path / "records", partial=True)
    made = make_record(folder, out=tmp_path / "records", choice=Choice(runs=(2,))).folder
    assert slots(made) == 1
    train(SHORT, "short")
    rule.write_text(WROTE)
    folder = train(("noisy-in-context-recall",), "short")
    make_record(folder, out=tmp_path / "records", name="short", partial=True)


def test_what_a_rule_expects_is_in_its_record(train, tmp_path):
    made = make_record(train(seeds=3), out=tmp_path / "records").folder
    found = {e.rule: (e.column, e.expected) for e in expectations(Study.load(made))}
    assert found == {"my_rule": ("Context Recall", "down")}
    assert "## Expected against measured" in (made / "report.md").read_text()


def test_knob_curves_mark_the_default_of_a_rule_of_ones_own(train):
    folder = train(knobs=Knobs({"my_rule.mu": 0.25}))
    low = Study.load(folder).trials
    usual = low.assign(**{"knob.mu": low["knob.mu"] * 2, "trial": low["trial"] + "x"})
    study = replace(Study.load(folder), trials=low.merge(usual, how="outer"))
    curves = tuned(study)["my_rule"]
    assert dict(zip(curves["point"], curves["default"], strict=True)) == {
        "mu=0.25": False,
        "mu=0.5": True,
    }


@pytest.mark.parametrize("spoiled", ['{"about": "x"}', '{"about": 3}', "[]", "{"])
def test_a_damaged_rule_costs_one_line(train, tmp_path, spoiled):
    made = make_record(train(), out=tmp_path / "records").folder
    (made / "rules" / "my_rule.json").write_text(spoiled)
    with pytest.raises(ArcherError, match=r"my_rule\.json .*damaged") as told:
        rebuild(made)
    assert "\n" not in str(told.value)
