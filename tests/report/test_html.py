"""The page as text: self-contained, its links lead somewhere, nothing unescaped."""

import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pandas as pd
import pytest

from archer.report import plots
from archer.report.costs import costs
from archer.report.difficulty import breaks, curves_of, difficulty
from archer.report.html import page
from archer.report.study import Study
from archer.report.svg import Axis, ticks

RECALL = "in-context-recall"


class Reader(HTMLParser):
    """Ids, targets of links, and whatever would be fetched."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.targets: set[str] = set()
        self.fetched: list[str] = []
        self.cells: dict[str, dict[str, str | None]] = {}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        if known.get("id"):
            self.ids.append(known["id"])
            self.cells[known["id"]] = known
        if tag == "a":
            self.targets |= {
                known["href"],
                *(f"#{c}" for c in (known.get("data-cells") or "").split()),
            }
        if tag in ("link", "img", "iframe") or "src" in known:
            self.fetched.append(tag)


def test_the_page_needs_nothing_else(noisy):
    text = page(Study.of(noisy()))
    read = Reader(text)
    assert read.fetched == []
    assert "http" not in text
    assert "url(" not in text
    assert "@import" not in text


def test_every_number_leads_to_a_cell_that_is_there(noisy):
    read = Reader(page(Study.of(noisy())))
    assert len(read.ids) == len(set(read.ids))
    assert {t.removeprefix("#") for t in read.targets} <= set(read.ids)
    assert sum(target.startswith("#cell-") for target in read.targets) > 15


def test_cells_sort_by_their_unrounded_scores(noisy):
    study = Study.of(noisy())
    read = Reader(page(study))
    for i, rule in enumerate(study.rules):
        for j, column in enumerate(study.columns):
            assert float(read.cells[f"cell-{i}-{j}"]["data-sort"]) == study.score(rule, column)


def test_names_are_escaped(made):
    trials = made({("delta", RECALL): 0.5, ("momentum", RECALL): 0.25}).trials
    evil = '<img src=x onerror="alert(1)">'
    text = page(Study(trials.replace("momentum", evil), baseline="delta"))
    assert "<img" not in text
    assert "&lt;img src=x" in text


def test_plots_are_wellformed_and_titled(noisy):
    study = Study.of(noisy())
    drawn = [
        plots.profile(study),
        plots.forest(study, "momentum"),
        plots.cost_plot(study, costs(study)),
        *(found[0] for t, c in study.tasks.items() if (found := plots.learning_plot(study, t, c))),
    ]
    assert len(drawn) == 9
    for svg in drawn:
        root = ElementTree.fromstring(svg)
        assert root.get("role") == "img"
        assert root.find("title").text
        numbers = re.findall(r' (?:x|y|cx|cy|x1|x2|y1|y2)="([^"]*)"', svg)
        assert all(abs(float(number)) < 2000 for number in numbers)


def test_without_curves_there_are_no_learning_curves(noisy):
    study = Study.of(noisy())
    assert 'id="learning"' in page(study)
    assert 'id="learning"' not in page(Study(study.trials, baseline="delta"))


def test_difficulty_begins_at_the_baseline_and_says_where_a_rule_breaks(made):
    trials = made({("delta", "memorization"): 0.5, ("adam", "memorization"): 0.5}, comparable=True)
    one = trials.trials.drop_duplicates("rule")
    parts = []
    for vocab, delta, adam in ((256, 0.9, 0.9), (512, 0.8, 0.8), (1024, 0.7, 0.3)):
        name = "memorization" if vocab == 256 else f"memorization/vocab_size={vocab}"
        for score, row in ((delta, 0), (adam, 1)):
            parts.append(
                one.iloc[[row]].assign(
                    setting=name, test_accuracy=score, trial=f"{vocab}{row}", identical_to=None
                )
            )
    study = Study(pd.concat(parts), baseline="delta")
    (curve,) = curves_of(difficulty(study), "memorization").values()
    assert curve.columns.tolist() == [256, 512, 1024]
    assert curve.loc["adam"].tolist() == pytest.approx([0.9, 0.8, 0.3])
    (broken,) = breaks(difficulty(study)).to_dict("records")
    assert (broken["rule"], broken["breaks_at"]) == ("adam", 1024)
    assert "Memorize by vocabulary" in page(study)


def test_a_rule_that_was_never_trained_costs_nothing(made):
    study = Study.of(made({("delta", "memorization"): 0.5, ("momentum", "memorization"): 0.5}))
    delta, momentum = costs(study)
    assert (delta.trials, delta.seconds, delta.per_step) == (1, 0.5, 125.0)
    assert (momentum.trials, momentum.seconds, momentum.ratio, momentum.slots) == (0, 0.0, None, 1)


def test_axes_and_ticks():
    assert ticks(0.0, 1.0) == [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    assert ticks(-0.03, 0.03, 4) == [-0.02, 0.0, 0.02]
    assert ticks(2.0, 2.0) == [2.0]
    assert Axis(0.0, 2.0, 10.0, 110.0).at(0.5) == 35.0
    assert Axis(1.0, 100.0, 0.0, 100.0, log=True).at(10.0) == 50.0
