"""Archer's own reports, held against their own folders."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from archer.mad.plan import Knobs, Row, make_plan
from archer.mad.presets import smoke
from archer.mad.results import Results, curves_frame, trials_frame
from archer.mad.settings import TASKS
from archer.report.claims import verify_file
from archer.report.files import csv_text, write_report, write_results
from archer.report.study import Study
from archer.report.tuning import tuned
from archer.rules.base import Rule
from archer.rules.load import builtin_graph
from archer.rules.peer import Contender, parse_peer
from archer.rules.trace import trace

EIGHT = (
    *("delta", "decay", "error_gated", "momentum", "softmax_attention", "adam"),
    *("adam_softmax", "gated_delta"),
)


def held(folder: Path, least: int) -> None:
    verdicts = verify_file(folder / "report.md", folder)
    wrong = [v for v in verdicts if v.status in ("refuted", "rounding")]
    unsaid = [v for v in verdicts if v.status == "unchecked" and v.note != "prediction"]
    assert wrong == []
    assert unsaid == []
    assert sum(v.status == "confirmed" for v in verdicts) >= least


@pytest.mark.parametrize(
    ("seeds", "names", "least"), [(1, (), 70), (2, (), 70), (6, (), 70), (3, EIGHT, 140)]
)
def test_nothing_is_refuted_and_nothing_is_left_unchecked(noisy, tmp_path, seeds, names, least):
    write_results(noisy(seeds, names), tmp_path)
    held(tmp_path, least)


def test_nor_where_a_rule_failed(made, tmp_path):
    task, other = "in-context-recall", "memorization"
    scores = {(rule, task): 0.5 for rule in ("delta", "momentum")}
    scores |= {("delta", other): 0.25, ("momentum", other): 0.25}
    scores |= {("gated_delta", task): None, ("gated_delta", other): 0.75}
    write_results(made(scores), tmp_path)
    held(tmp_path, 10)


def test_a_real_benchmark_with_a_rule_of_ones_own(smoke):
    held(smoke.out, 60)


def test_an_error_put_into_the_report_is_found(noisy, tmp_path):
    write_results(noisy(), tmp_path)
    report = tmp_path / "report.md"
    report.write_text(report.read_text().replace("loses 0.201", "loses 0.301", 1))
    assert [v.stated for v in verify_file(report, tmp_path) if v.status == "refuted"] == [0.301]


class Half(Rule):
    def write(self, S: Any, dS: Any, slots: Any, p: Any) -> Any:
        return S + 0.5 * dS


class Double(Rule):
    def write(self, S: Any, dS: Any, slots: Any, p: Any) -> Any:
        return S + 2.0 * dS


class Forgetful(Rule):
    def write(self, S: Any, dS: Any, slots: Any, p: Any) -> Any:
        return 0.5 * S + dS


def results_of(
    rules: Sequence[Contender],
    accuracy: Callable[[Row], float],
    member: Callable[[float], Any],
    *,
    seeds: int = 3,
    tasks: Sequence[str] = TASKS,
    knobs: Knobs | None = None,
) -> Results:
    """Made-up results: accuracy by row of the plan; learned knobs end at 0.83 and 0.71."""
    plan = make_plan(rules, smoke().only(tasks), seeds=seeds, knobs=knobs)
    outcomes = {}
    for row in reversed(plan.rows):  # a twin's row comes before: the first rule's counts
        learned = {name: [[0.83], [0.71]] for name in row.trial.learn}
        outcomes[row.trial.id] = replace(member(accuracy(row)), learned=learned)
    trials = trials_frame(plan, outcomes, {}, "cpu")
    return Results(plan, trials, 1.0, "cpu", curves=curves_frame(outcomes))


def uneven(row: Row) -> float:
    """Another score for every rule, task and seed, the same for the same."""
    number = sum(map(ord, row.rule)) + 7 * TASKS.index(row.trial.setting.task)
    return 0.2 + (number % 23) / 40 + (number * (row.trial.seed + 3) % 11) / 500


TWELVE = (
    *map(builtin_graph, EIGHT),
    *map(trace, (Half, Double, Forgetful)),
    parse_peer("attention"),
)


def test_twelve_rules_a_peer_among_them(member, tmp_path):
    write_results(results_of(TWELVE, uneven, member), tmp_path)
    held(tmp_path, 220)
    assert "| attention |" in (tmp_path / "report.md").read_text()


@pytest.mark.parametrize("seeds", [1, 3])
def test_ties_everywhere(member, tmp_path, seeds):
    rules = (*map(builtin_graph, EIGHT[:4]), parse_peer("attention"))
    write_results(results_of(rules, lambda row: 0.5, member, seeds=seeds), tmp_path)
    held(tmp_path, 60)


def test_ties_of_some(member, tmp_path):
    """Two leaders on every task, and seeds that differ."""
    rules = tuple(map(builtin_graph, ("delta", "adam", "softmax_attention", "gated_delta")))

    def tied(row: Row) -> float:
        low = row.rule in ("delta", "adam")
        return (0.4 if low else 0.7) + 0.01 * row.trial.seed

    write_results(results_of(rules, tied, member), tmp_path)
    held(tmp_path, 60)


def test_trials_that_are_missing(member, tmp_path):
    rules = tuple(map(builtin_graph, ("delta", "softmax_attention", "gated_delta")))
    write_results(results_of(rules, uneven, member), tmp_path)
    trials = pd.read_csv(tmp_path / "trials.csv", dtype={"trial": "str"})
    lost = (trials["rule"] == "gated_delta") & (trials["task"] == "memorization")
    lost |= (trials["rule"] == "softmax_attention") & (trials["task"] == "compression")
    lost &= trials["seed"] == 2
    trials.loc[lost, [c for c in trials if c.startswith(("test_", "validation_"))]] = float("nan")
    trials["reason"] = trials["reason"].astype(object)
    trials.loc[lost, ["status", "reason"]] = ["missing", "nobody has trained it"]
    (tmp_path / "trials.csv").write_text(csv_text(trials))
    (tmp_path / "results.csv").write_text(Study.load(tmp_path).table.to_csv())
    write_report(tmp_path)
    held(tmp_path, 40)
    text = (tmp_path / "report.md").read_text()
    assert "gated_delta's trials on Memorize missing: nobody has trained it." in text
    assert "no score" in text


def test_learned_knobs(member, tmp_path):
    rules = tuple(map(builtin_graph, ("delta", "momentum", "adam_softmax")))
    knobs = Knobs(learn=("momentum.mu",))
    write_results(results_of(rules, uneven, member, knobs=knobs), tmp_path)
    held(tmp_path, 50)
    text = (tmp_path / "report.md").read_text()
    section = text.split("## Learned knobs")[1].split("## ")[0]
    assert "| momentum | mu | Context Recall | 0 | 0 | 0.9 | 0.8300 | 0.0000 | 3 |" in section
    assert "| momentum | mu | Memorize" not in section, "it does not act there"
    assert "at the end (learned, mean)" in text


@pytest.fixture
def several(member, tmp_path):
    """A folder in which `momentum` was tried with three values of mu; 0.8 does best, but on one."""
    rules = (builtin_graph("delta"), builtin_graph("momentum"))
    parts = []
    for mu, gain in ((0.9, 0.0), (0.7, -0.05), (0.8, 0.05)):

        def accuracy(row: Row, gain: float = gain) -> float:
            sign = -1 if row.trial.setting.task == "selective-copying" else 1
            acts = row.rule == "momentum" and row.identical_to is None
            return 0.5 + 0.01 * row.trial.seed + acts * sign * gain

        found = results_of(rules, accuracy, member, knobs=Knobs({"momentum.mu": mu}))
        parts.append(found.trials)
    trials = pd.concat(parts).drop_duplicates(["rule", "trial"])
    write_results(found, tmp_path)
    (tmp_path / "trials.csv").write_text(csv_text(trials))
    (tmp_path / "results.csv").write_text(Study.load(tmp_path).table.to_csv())
    write_report(tmp_path)
    return tmp_path


def test_several_values_of_a_knob(several):
    held(several, 40)
    text = (several / "report.md").read_text()
    section = text.split("## Knob curves")[1].split("\n## ")[0]
    assert "By `momentum.mu`:" in section
    table = [line for line in section.splitlines() if line.startswith("| mu=")]
    assert [line.split(" | ")[0] for line in table] == ["| mu=0.7", "| mu=0.8", "| mu=0.9"]
    assert table[1].split(" | ")[1] == "0.560 ±0.010 *"
    assert table[2].split(" | ")[1] == "0.510 ±0.010 d"
    page = (several / "report.html").read_text()
    assert "Context Recall by momentum.mu" in page
    assert "Memorize by momentum.mu" not in page


def test_knob_curves_mark_what_was_chosen_and_the_default(several):
    curves = tuned(Study.load(several))["momentum"]
    assert set(curves["point"]) == {"mu=0.7", "mu=0.8", "mu=0.9"}
    assert "memorization" not in set(curves["task"]), "momentum does not act on one chunk"
    chosen = curves[curves["selected"]].set_index("task")["point"]
    assert chosen.pop("selective-copying") == "mu=0.7"
    assert set(chosen) == {"mu=0.8"}
    assert set(curves[curves["default"]]["point"]) == {"mu=0.9"}
    best = curves[(curves["task"] == "in-context-recall") & curves["selected"]].iloc[0]
    assert (best["mean"], best["sd"], best["n"]) == (pytest.approx(0.56), pytest.approx(0.01), 3)
    assert curves["momentum.mu"].tolist() == [float(p.removeprefix("mu=")) for p in curves["point"]]


def test_a_learned_value_stands_beside_fixed_ones(member):
    rules, task = [builtin_graph("delta"), builtin_graph("momentum")], "in-context-recall"
    kinds = (Knobs(), Knobs(learn=("momentum.mu",)))
    made = [results_of(rules, uneven, member, tasks=[task], knobs=knobs).trials for knobs in kinds]
    trials = pd.concat(made).drop_duplicates(["rule", "trial"])
    curves = tuned(Study(trials, baseline="delta"))["momentum"]
    assert set(curves["point"]) == {"mu=0.9", "mu=learned from 0.9"}
    assert set(curves[curves["default"]]["point"]) == {"mu=0.9"}


def test_one_value_per_knob_has_no_curve(noisy):
    assert tuned(Study.of(noisy())) == {}
