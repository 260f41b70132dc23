"""The summary of a search as one self-contained page: no network, opens from disk."""

import math
import re
from collections.abc import Iterable
from functools import lru_cache

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup, escape

from archer.mad.settings import COLUMNS
from archer.report.html import TEMPLATES
from archer.research import picture, words
from archer.research.overview import Overview


def page(overview: Overview) -> str:
    """The whole page as text."""
    text: str = _template().render(
        overview=overview,
        columns=COLUMNS,
        setup=_all(words.setup(overview)),
        outcome=_all(words.outcome(overview)),
        family=Markup(picture.family(overview)),
        pareto=Markup(picture.pareto(overview) or ""),
        control=Markup(picture.control(overview.chance)) if overview.chance else None,
        forecast=Markup(picture.forecast(overview) or ""),
        best=_best(overview),
        bars=_all(f"{bar}." for bar in overview.bars),
        kinds=words.by_kind(overview).to_dict("records"),
        refusals=words.refusals(overview),
        prediction=_all(words.prediction(overview.prediction)),
        chance=_all(words.chance(overview.chance)),
        cheap=words.pareto(overview),
        steps=_all(words.steps(overview)),
        method=_all(words.METHOD),
        number=_number,
    )
    return text


def _best(overview: Overview) -> str | None:
    """Source of the rule with the highest score."""
    entry = overview.best[0].entry if overview.best else None
    return entry.source if entry else None


def _all(lines: Iterable[str]) -> list[Markup]:
    return [_inline(line) for line in lines]


def _inline(text: str) -> Markup:
    """Text with `code` as code."""
    parts = re.split(r"`([^`]*)`", text)
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if i % 2 else escape(part)
        for i, part in enumerate(parts)
    )


@lru_cache(maxsize=1)
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("research.html")


def _number(value: float, form: str = "+.4f") -> str:
    return "–" if math.isnan(value) else format(value, form)
