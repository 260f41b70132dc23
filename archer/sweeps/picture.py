"""The curves of a sweep as one picture in a file of its own."""

from archer.mad.settings import COLUMNS
from archer.report.svg import Canvas
from archer.sweeps.files import drawn
from archer.sweeps.results import SweepResults

WIDE, HIGH, HEAD, GAP = 360, 240, 26, 24  # pixels: a plot, its heading, the space between two
STYLE = """
text { font: 11.5px system-ui, sans-serif; fill: #1c2330; }
.head { font-size: 14px; font-weight: 600; }
.tick, .label { fill: #5b6575; }
.paper { fill: #fff; }
.grid { stroke: #d9dee7; }
.zero { stroke: #5b6575; }
.line { fill: none; stroke-width: 1.8; stroke-linejoin: round; }
.bar { stroke-width: 2; opacity: .6; }
.dot { stroke: #fff; }
.line.s1, .bar.s1 { stroke: #0072b2; } .dot.s1 { fill: #0072b2; }
.bar.s2 { stroke: #d55e00; } .dot.s2 { fill: #d55e00; }
.dot.hollow { fill: #fff; stroke: #5b6575; stroke-width: 1.6; }
"""


def picture(results: SweepResults) -> str | None:
    """A row of plots per swept name, a column per task; None where nothing that is swept acts."""
    plots = drawn(results)
    if not plots:
        return None
    names, tasks = (list(dict.fromkeys(plot[i] for plot in plots)) for i in (0, 1))
    width, height = WIDE + GAP, HEAD + HIGH + GAP
    about = "Validation accuracy by value, mean over seeds; bars are one standard deviation."
    canvas = Canvas(len(tasks) * width, len(names) * height, "Curves of the sweep", about)
    canvas.parts.append('<rect width="100%" height="100%" class="paper"/>')
    for name, task, plot in plots:
        x, y = GAP // 2 + tasks.index(task) * width, names.index(name) * height
        canvas.text(x + WIDE / 2, y + HEAD - 4, f"{COLUMNS[task]} by {name}", "head")
        place = f'x="{x}" y="{y + HEAD}" width="{WIDE}" height="{HIGH}"'
        canvas.parts.append(plot.replace("<svg ", f"<svg {place} ", 1))
    size = f'width="{canvas.width}" height="{canvas.height}"'
    text = canvas.svg().replace("<svg ", f'<svg xmlns="http://www.w3.org/2000/svg" {size} ', 1)
    return text.replace(">", f"><style>{STYLE}</style>", 1) + "\n"
