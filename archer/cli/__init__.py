"""The command line: parses, calls, prints. Nothing here computes."""

import os
import sys
from collections.abc import Callable
from typing import Any

from archer.cli import commands
from archer.errors import ArcherError

COMMANDS: dict[str, Callable[..., Any]] = {
    "rules": commands.rules,
    "bench": commands.bench,
    "check": commands.check,
    "new": commands.new,
    "export": commands.export,
    "data": commands.data,
    "report": commands.report,
    "verify": commands.verify,
    "compare": commands.compare,
    "status": commands.status,
}

ABOUT = """Archer: write a memory update rule, train it on MAD beside every other, trust the table.

Start with `archer bench`, or `archer new my_rule` for a rule of your own."""


def main(args: list[str] | None = None) -> None:
    """Run one command. Exits 2 for a mistake of the user's, 130 on Ctrl-C."""
    import tyro

    try:
        code = tyro.extras.subcommand_cli_from_dict(
            COMMANDS,
            prog="archer",
            description=ABOUT,
            args=args,
            config=(tyro.conf.OmitArgPrefixes,),
        )
    except ArcherError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt as stop:  # its text, where there is one: what was not in vain
        print(": ".join(["stopped", *map(str, stop.args)]), file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:  # `archer rules | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    sys.exit(code or 0)
