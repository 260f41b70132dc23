"""Text from a stranger, made fit for a terminal, a report or a prompt."""


def plain(text: object, longest: int = 500) -> str:
    """One line of printable characters, cut where it is too long; "" if it is no text."""
    if not isinstance(text, str):
        return ""
    line = "".join(c if c.isprintable() else " " for c in text[: 2 * longest])
    return line if len(line) <= longest else line[: longest - 3] + "..."
