"""The summary of a search as one self-contained page: no network, opens from disk."""

from collections.abc import Iterable

from markupsafe import Markup

from archer.mad.settings import COLUMNS
from archer.report.pages import inline, number_text, template
from archer.research import picture, words
from archer.research.family_picture import family
from archer.research.next_steps import steps
from archer.research.overview import Overview


def page(overview: Overview) -> str:
    """The whole page as text."""
    text: str = template("research.html").render(
        overview=overview,
        columns=COLUMNS,
        setup=_all(words.setup(overview)),
        outcome=_all(words.outcome(overview)),
        family=Markup(family(overview)),
        pareto=Markup(picture.pareto(overview) or ""),
        control=Markup(picture.control(overview.chance)) if overview.chance else None,
        forecast=Markup(picture.forecast(overview) or ""),
        best=_best(overview),
        bars=_all(f"{bar}." for bar in overview.bars),
        kinds=words.by_kind(overview).to_dict("records"),
        refusals=words.refusals(overview),
        prediction=_all(words.prediction(overview.prediction)),
        chance=_all(words.chance(overview.chance)),
        front=words.FRONT,
        cheap=words.pareto(overview),
        steps=_all(steps(overview)),
        method=_all(words.METHOD),
        number=_signed,
    )
    return text


def _best(overview: Overview) -> str | None:
    """Source of the rule with the highest score."""
    entry = overview.best[0].entry if overview.best else None
    return entry.source if entry else None


def _all(lines: Iterable[str]) -> list[Markup]:
    return [inline(line) for line in lines]


def _signed(value: float, form: str = "+z.4f") -> str:
    return number_text(value, form)
