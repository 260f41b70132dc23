"""What a command says while it works."""

import sys

LONGEST = 110  # of a line


def say(text: str) -> None:
    """One line on standard error; what a proposer wrote is shortened and cannot move the cursor."""
    flat = "".join(c if c.isprintable() else " " for c in text)
    print(flat if len(flat) <= LONGEST else flat[: LONGEST - 1] + "…", file=sys.stderr)
