"""What the benchmarks' pictures are drawn on: style, paper, title."""

from typing import Any

from archer.report.svg import Canvas

STYLE = """
svg{--ink:#1c2330;--dim:#5b6575;--line:#d9dee7;--paper:#fff;--a:#0072b2;--b:#d55e00;--c:#008a63}
@media (prefers-color-scheme:dark){svg{--ink:#e6e9ef;--dim:#a3adbd;--line:#333b49;--paper:#12161d;
--a:#5fb3f0;--b:#ff9357;--c:#3ecfa0}}
text{fill:var(--ink);font:12px system-ui,"Segoe UI",sans-serif}.tick,.label{fill:var(--dim)}
.paper{fill:var(--paper)}.grid{stroke:var(--line)}.line{fill:none;stroke-width:2}
.line.a{stroke:var(--a)}.line.b{stroke:var(--b)}.line.c{stroke:var(--c)}
.line.dash{stroke-dasharray:6 4}.floor{fill:none;stroke:var(--dim);stroke-width:2;
stroke-dasharray:2 3}.dot.a{fill:var(--a)}.dot.b{fill:var(--b)}.dot.c{fill:var(--c)}
"""


def standalone(canvas: Canvas) -> str:
    """The SVG as a file of its own: namespace, size, style and paper."""
    size = f'width="{canvas.width}" height="{canvas.height}"'
    paper = f'<style>{STYLE}</style><rect {size} rx="8" class="paper"/>'
    text = canvas.svg().replace("<svg ", f'<svg xmlns="http://www.w3.org/2000/svg" {size} ', 1)
    return text.replace("</desc>", f"</desc>{paper}", 1) + "\n"


def canvas_of(height: int, title: str, record: dict[str, Any]) -> Canvas:
    """An empty picture with its title and, below it, what it was measured on."""
    where = f"{record['card']}, torch {record['torch']}, Triton {record['triton']}, bf16, medians"
    canvas = Canvas(640, height, title, where)
    canvas.text(20, 24, title, "", "start")
    canvas.text(20, 41, where, "label", "start")
    return canvas
