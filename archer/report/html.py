"""The report as one self-contained page: no network, opens from disk."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
from markupsafe import Markup

from archer.report import expectations, plots, proposed, tuning
from archer.report.beside import Published, lines
from archer.report.beside import legend as beside_legend
from archer.report.costs import costs
from archer.report.difficulty import FIELDS, break_points, difficulty
from archer.report.facts import Facts
from archer.report.finding import VISIBLE, Finding
from archer.report.findings import findings
from archer.report.insights import insights
from archer.report.notes import next_steps, notes
from archer.report.pages import inline, interval_text, number_text, signed_text, template
from archer.report.phrases import Phrase, signed
from archer.report.rule_parts import RulePart, rule_parts
from archer.report.sections import (
    METHOD,
    VERDICTS,
    grouped,
    legend,
    nothing_found,
    setup,
    title,
)
from archer.report.study import Study
from archer.report.svg import Canvas
from archer.report.tables import MARK

MARKS = {
    "different": ("●", "different from the baseline"),
    "equivalent": ("≈", "equivalent to the baseline"),
    "identical by construction": (MARK, "identical by construction"),
    "cannot tell": ("?", "these seeds cannot tell"),
    "one seed": ("·", "one seed: nothing can be told"),
}


@dataclass(frozen=True)
class Cell:
    """A cell of the table of results, as the page shows it."""

    id: str
    facts: Facts
    shade: str
    mark: str
    meaning: str

    @property
    def missing(self) -> bool:
        return math.isnan(self.facts.score)

    @property
    def interval(self) -> str:
        f = self.facts
        return "" if math.isnan(f.low) else f"{f.low:.3f} to {f.high:.3f}"

    @property
    def difference(self) -> str:
        return "" if math.isnan(self.facts.difference) else signed(self.facts.difference)


def page(study: Study, published: Sequence[Published] = ()) -> str:
    """The whole page as text. published: rows to stand beside ours, besides those known."""
    found, known, settings = findings(study), costs(study), difficulty(study)
    ids = _ids(study)
    drawn = [(c, plots.learning_plot(study, t, c)) for t, c in study.tasks.items()]
    page: str = template("report.html").render(
        study=study,
        title=title(study),
        setup=[inline(line) for line in setup(study)],
        notes=[inline(line) for line in [*notes(study), *expectations.unknown(study)]],
        groups=[(h, inline(a), _said(part, ids)) for h, a, part in grouped(study, found)],
        nothing=inline(nothing_found(study)),
        insights=[_linked(phrase, ids) for phrase in insights(study, found)],
        legend=inline(legend(study, MARK)),
        marks=_marks(study),
        look=plots.styles(study),
        swatches={rule: Markup(_swatch(style)) for rule, style in plots.styles(study).items()},
        cells={
            rule: [_cell(study, study.facts[rule, c], ids) for c in study.columns]
            for rule in study.rules
        },
        beside=lines(study, published),
        beside_legend=inline(beside_legend(study)),
        profile=Markup(plots.profile(study)) if len(study.tasks) > 1 else None,
        difficulty=_difficulty(study, settings),
        learning=[(c, Markup(p[0]), p[1]) for c, p in drawn if p],
        cost=Markup(plots.cost_plot(study, known) or ""),
        costs=known,
        knobs=_knobs(study),
        knobs_legend=inline(f"{tuning.legend(study)} {tuning.CHOSEN_AMONG}"),
        learned=tuning.learned_text(study),
        learned_legend=tuning.LEARNED,
        parts=_rules(study, ids),
        expected=expectations.expectations(study),
        expected_legend=inline(re.sub(r"\*", "", expectations.LEGEND)),
        proposed=study.proposed,
        proposed_mark=proposed.MARK,
        proposed_heading=proposed.HEADING,
        facts={c: [study.facts[r, c] for r in study.rules] for c in study.columns},
        steps=[inline(line) for line in next_steps(study)],
        method=[inline(line) for line in METHOD],
        verdicts=VERDICTS,
        number=number_text,
        signed=signed_text,
        interval=interval_text,
    )
    return page


def _ids(study: Study) -> dict[tuple[str, str], str]:
    """An anchor per cell; numbers, since rules may be named anything."""
    return {
        (rule, column): f"cell-{i}-{j}"
        for i, rule in enumerate(study.rules)
        for j, column in enumerate(study.columns)
    }


def _cell(study: Study, facts: Facts, ids: dict[tuple[str, str], str]) -> Cell:
    gaps = [f.difference for f in study.facts.values() if f.column == facts.column]
    widest = max((abs(g) for g in gaps if not math.isnan(g)), default=0.0)
    mark, meaning = MARKS.get(facts.verdict, ("", ""))
    shade = ""
    visible = abs(facts.difference) >= VISIBLE  # False for nan
    if visible and not facts.identical:
        side = "up" if facts.difference > 0 else "down"
        # Columns differ widely in spread; a floor keeps noise of a thousandth from glowing.
        shade = f"{side}:{min(1.0, abs(facts.difference) / max(widest, 0.02)):.2f}"
    return Cell(ids[facts.rule, facts.column], facts, shade, mark, meaning)


def _marks(study: Study) -> dict[str, tuple[str, str]]:
    """The marks that stand in the table."""
    verdicts = {facts.verdict for facts in study.facts.values()}
    return {verdict: mark for verdict, mark in MARKS.items() if verdict in verdicts}


def _linked(phrase: Phrase, ids: dict[tuple[str, str], str]) -> Markup:
    """A sentence whose numbers lead to the cells they came from."""
    made = Markup("")
    for part in phrase:
        if isinstance(part, str):
            made += inline(part)
            continue
        anchors = [ids[cell] for cell in part.cells]
        source = " and ".join(f"{rule} on {column}" for rule, column in part.cells)
        made += Markup('<a class="n" href="#{}" data-cells="{}" title="from {}">{}</a>').format(
            anchors[0], " ".join(anchors), source, part.text
        )
    return made


def _said(part: list[Finding], ids: dict[tuple[str, str], str]) -> list[tuple[str, str, Markup]]:
    return [(f.kind, f.rule, _linked(f.phrase, ids)) for f in part]


def _rules(
    study: Study, ids: dict[tuple[str, str], str]
) -> list[tuple[RulePart, list[tuple[str, list[Markup]]], Markup]]:
    """Every rule with its sentences and the plot of its differences."""
    return [
        (
            part,
            [(intro, [_linked(p, ids) for p in said]) for intro, said in part.sentences(study)],
            Markup(plots.forest(study, part.rule) or ""),
        )
        for part in rule_parts(study)
    ]


def _difficulty(
    study: Study, settings: pd.DataFrame
) -> list[tuple[str, Markup, list[tuple[str, str]]]]:
    """Heading, plot, and (rule, value it breaks at)."""
    found = []
    for task, column in study.tasks.items():
        here, ends = settings[settings["task"] == task], break_points(settings, task)
        for field, part in here.groupby("field", sort=False):
            heading = f"{column} by {FIELDS.get(str(field), str(field))}"
            broken = [(r, at) for (r, name), at in ends.items() if name == str(field)]
            found.append((heading, Markup(plots.difficulty_plot(study, part, heading)), broken))
    return found


def _knobs(study: Study) -> list[tuple[str, pd.DataFrame, list[tuple[str, Markup]]]]:
    """Rule, its curves as text, and as plots with their headings."""
    return [
        (
            rule,
            tuning.curve_text(curves),
            [(h, Markup(plot)) for h, plot in tuning.curve_plots(study, rule, curves)],
        )
        for rule, curves in tuning.tuned(study).items()
    ]


def _swatch(style: plots.Style) -> str:
    canvas = Canvas(14, 14, "", "")
    canvas.marker(7, 7, style.marker, f"dot {style.colour}", "")
    shape = "".join(canvas.parts)
    return f'<svg class="swatch" viewBox="0 0 14 14" aria-hidden="true">{shape}</svg>'
