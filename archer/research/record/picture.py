"""The family tree as a picture in a file of its own."""

from archer.research.family_picture import family_canvas
from archer.research.overview import Overview

STYLE = """
text { font: 11.5px system-ui, sans-serif; fill: #1c2330; }
.tick, .label { fill: #5b6575; }
.paper { fill: #fff; }
.grid { stroke: #d9dee7; }
.zero { stroke: #5b6575; }
.mark { font-size: 11px; paint-order: stroke; stroke: #fff; stroke-width: 3px; }
.bar-line { stroke: #008a63; stroke-width: 1.2; stroke-dasharray: 6 4; }
.descent { fill: none; stroke: #5b6575; stroke-width: 1.2; opacity: .38; }
.descent.second { stroke-dasharray: 3 4; }
.descent.best { stroke: #146ebe; stroke-width: 2.6; opacity: .95; }
.dot { stroke: #fff; }
.dot.s0 { fill: #3a4250; } .dot.s1 { fill: #0072b2; } .dot.s3 { fill: #008a63; }
.dot.hollow { fill: #fff; stroke: #5b6575; stroke-width: 1.6; }
"""


def family(overview: Overview) -> str:
    """As on the page, with its style and size inside."""
    drawn = family_canvas(overview)
    drawn.parts.insert(0, '<rect width="100%" height="100%" class="paper"/>')
    size = f'xmlns="http://www.w3.org/2000/svg" width="{drawn.width}" height="{drawn.height}"'
    text = drawn.svg().replace("<svg ", f"<svg {size} ", 1)
    return text.replace(">", f"><style>{STYLE}</style>", 1) + "\n"
