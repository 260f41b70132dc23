"""A report as sentences, headings and tables, each with its line."""

import re
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

from markdown_it import MarkdownIt
from markdown_it.token import Token

from archer.report.claims import drawn

Kind = Literal["heading", "sentence", "table"]


@dataclass(frozen=True)
class Cell:
    """text: without markup; raw: as it stands there."""

    text: str
    line: int
    raw: str = ""


@dataclass(frozen=True)
class Block:
    """kind and line of a piece of text; `paragraph` numbers the paragraph or list item it is in.

    text: without markup, on one line; raw: as it stands there. level: of a heading; 0 for text.
    rows: of a table, header first; drawn: with spaces, not with Markdown's bars.
    """

    kind: Kind
    line: int
    text: str
    raw: str
    paragraph: int = 0
    level: int = 0
    rows: list[list[Cell]] = field(default_factory=list)
    drawn: bool = False


_ABBREVIATION = re.compile(
    r"(?:\b(?:vs|e\.g|i\.e|approx|avg|cf|fig|figs|eq|eqs|no|al|pp|resp|w\.r\.t|sec|tab|sel|std|"
    r"min|max|ca|incl|excl|etc|attn|acc)|^\d+|(?<!['’])(?<!\d)(?<!\d )\b[A-Z])\.$",
    re.IGNORECASE,
)


_INLINE = MarkdownIt("commonmark")
_REPORT = MarkdownIt("commonmark").enable("table").disable(["code", "lheading"])


def blocks(report: str) -> list[Block]:
    """Headings, sentences and tables in order; code, HTML and link targets are left out.

    Indented text is text: reports without Markdown indent freely; but for commands. A table drawn
    with spaces is a table, indented or in a code block.
    """
    tokens = _REPORT.parse(report)
    found: list[Block] = []
    paragraph, i = 0, 0
    while i < len(tokens):
        token = tokens[i]
        if token.type == "heading_open":
            text, raw = plain(tokens[i + 1]), tokens[i + 1].content
            found.append(Block("heading", _line(token), text, raw, level=int(token.tag[1])))
        elif token.type == "paragraph_open":
            paragraph += 1
            if not _are_commands(tokens[i + 1].content):
                table = _drawn(tokens[i + 1].content, _line(tokens[i + 1]))
                found += [table] if table else _sentences(tokens[i + 1], paragraph)
        elif token.type == "fence":
            table = _drawn(token.content, _line(token) + 1)
            found += [table] if table else []
        elif token.type == "table_open":
            end = next(j for j in range(i, len(tokens)) if tokens[j].type == "table_close")
            rows = _rows(tokens[i:end])
            found.append(Block("table", _line(token), "", "", rows=rows))
            i = end
        i += 2 if token.type == "heading_open" else 1
    return found


_COMMAND = re.compile(r"\s*(?:\$ |(?:archer|python3?|pip|make|git) [\w./-]|--[a-z])")


def _are_commands(text: str) -> bool:
    """Whether every line is one that is typed: code, like that between fences."""
    return all(_COMMAND.match(line) for line in text.split("\n"))


def plain(inline: Token) -> str:
    """Inline text without markup; line breaks stay, link targets and HTML tags go."""
    parts = []
    for child in inline.children or []:
        if child.type in ("text", "code_inline"):
            parts.append(child.content)
        elif child.type in ("softbreak", "hardbreak"):
            parts.append("\n")
    return "".join(parts)


def _line(token: Token) -> int:
    return (token.map[0] if token.map else 0) + 1


def _rows(tokens: list[Token]) -> list[list[Cell]]:
    rows: list[list[Cell]] = []
    line = 0
    for i, token in enumerate(tokens):
        if token.type == "tr_open":
            rows.append([])
            line = _line(token)
        elif token.type in ("th_open", "td_open"):
            raw = tokens[i + 1].content.strip()
            rows[-1].append(Cell(plain(tokens[i + 1]).strip(), line, raw))
    return rows


def _drawn(content: str, first: int) -> Block | None:
    """The table that a paragraph or a code block is, if it is one."""
    rows = [
        [Cell(plain(_INLINE.parseInline(cell)[0]), first + n, cell) for cell in cells]
        for n, cells in drawn.rows(content.split("\n"))
    ]
    return Block("table", first, "", "", rows=rows, drawn=True) if rows else None


def _sentences(inline: Token, paragraph: int) -> list[Block]:
    text, first = inline.content, _line(inline)
    found = []
    for start, end in split(text):
        piece = text[start:end]
        lead = len(piece) - len(piece.lstrip())
        line = first + text.count("\n", 0, start + lead)
        clean = " ".join(plain(_INLINE.parseInline(piece.strip())[0]).split())
        if clean:
            found.append(Block("sentence", line, clean, piece.strip(), paragraph))
    return found


def split(text: str) -> list[tuple[int, int]]:
    """Where sentences begin and end. Short lines that all stand alone are sentences too."""
    lines = text.split("\n")
    own_lines = len(lines) > 1 and all(len(x) < 70 for x in lines) and _each_stands_alone(lines)
    breaks = [0]
    for match in re.finditer(r"[.!?][\"'”)\]*_`]*\s+|\n\s*(?=[•–▪▸‣·*-]\s)|\n", text):
        newline, rest = match[0].startswith("\n"), text[match.end() :]
        if newline and not own_lines and not re.match(r"[•▪▸‣·]|[–*-]\s", rest):
            continue
        if not newline and match[0][0] == "." and _ABBREVIATION.search(text[: match.start() + 1]):
            continue
        breaks.append(match.end())
    breaks.append(len(text))
    return [(a, b) for a, b in pairwise(breaks) if a < b]


def _each_stands_alone(lines: list[str]) -> bool:
    ends = [line.rstrip()[-1:] for line in lines if line.strip()]
    starts = [line.strip()[:1] for line in lines if line.strip()]
    return all(re.search(r"\d", line) for line in lines if line.strip()) and (
        all(end in ".!?" for end in ends) or all(s.isupper() or not s.isalpha() for s in starts)
    )
