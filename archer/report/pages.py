"""What every self-contained page needs: its template, code in text, numbers in tables."""

import math
import re
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup, escape

from archer.report.phrases import signed

TEMPLATES = Path(__file__).parent / "templates"
NONE = "–"


@cache
def template(name: str) -> Template:
    """A template of this folder; it escapes what it is given and knows every name it uses."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)


def inline(text: str) -> Markup:
    """Text with `code` as code."""
    parts = re.split(r"`([^`]*)`", text)
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if i % 2 else escape(part)
        for i, part in enumerate(parts)
    )


def number_text(value: float | None, form: str = ".4f") -> str:
    """A number, or a dash where there is none."""
    return NONE if value is None or math.isnan(value) else format(value, form)


def signed_text(value: float | None, digits: int = 4) -> str:
    """A difference with its sign; a dash where there is none."""
    return NONE if value is None or math.isnan(value) else signed(value, digits)


def interval_text(low: float, high: float, *, difference: bool = False) -> str:
    """ "0.304 to 0.559"; a dash where there is none."""
    if math.isnan(low) or math.isnan(high):
        return NONE
    show = signed_text if difference else number_text
    return f"{show(low)} to {show(high)}"
