"""Tables drawn with spaces, tabs or bars: in a code block, or indented."""

import re

_GAP = re.compile(r"\s{2,}|\t+|\s*[|│┃]\s*")
_RULE = re.compile(r"[\s\-=+|:─━═┼┬┴├┤┌┐└┘│┃╞╪╡]+")
_NUMBER = re.compile(r"[+\-−±≈~]?\s?\d*\.?\d+\s?(?:%|pp)?(?:\s?\([^)]*\)|\s?±\s?[\d.]+)?\W*")


def rows(lines: list[str]) -> list[tuple[int, list[str]]]:
    """(number of the line from 0, cells) of a drawn table, header first; empty when it is none.

    Every row must have as many cells as the header (or one more: an empty corner), and all its
    cells but the first must be numbers: anything else is not surely a table.
    """
    found: list[tuple[int, list[str]]] = []
    for number, line in enumerate(lines):
        if not line.strip():
            if len(found) > 1:
                break
            continue
        if not _RULE.fullmatch(line):
            found.append((number, [c for c in _GAP.split(line.strip().strip("|│┃")) if c]))
    if len(found) < 2:
        return []
    header, body = found[0], found[1:]
    width = len(body[0][1])
    if width < 2 or any(len(cells) != width for _, cells in body):
        return []
    if len(header[1]) == width - 1:
        header = (header[0], ["", *header[1]])
    if len(header[1]) != width or any(_NUMBER.fullmatch(cell) for cell in header[1]):
        return []
    numbers = all(_NUMBER.fullmatch(cell) for _, cells in body for cell in cells[1:])
    return [header, *body] if numbers else []
