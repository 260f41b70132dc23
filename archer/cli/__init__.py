"""The command line: parses, calls, prints. Nothing here computes."""

import difflib
import signal
import sys
from collections.abc import Callable, Sequence
from typing import Any

from archer.cli.bench import bench
from archer.cli.data import data
from archer.cli.given import check_once
from archer.cli.lengths import lengths
from archer.cli.output import printing
from archer.cli.record import record
from archer.cli.research import research
from archer.cli.results import compare, report, status, verify
from archer.cli.rule_files import check, export, new, rules
from archer.cli.sweep import sweep
from archer.errors import ArcherError

COMMANDS: dict[str, Callable[..., Any]] = {
    "rules": rules,
    "bench": bench,
    "check": check,
    "new": new,
    "export": export,
    "data": data,
    "report": report,
    "verify": verify,
    "compare": compare,
    "status": status,
    "sweep": sweep,
    "lengths": lengths,
    "record": record,
    "research": research,
}

ABOUT = """Archer: write a memory update rule, train it on MAD beside every other, trust the table.

Start with `archer bench`, or `archer new my_rule` for a rule of your own."""


class Terminated(KeyboardInterrupt):
    """SIGTERM, as a time limit sends it: ends like Ctrl-C."""


def _terminate(*_: object) -> None:
    raise Terminated


def _check_command(args: Sequence[str]) -> None:
    """Raises ArcherError for a command that is none, with the likeliest meant, and for an option
    given twice."""
    if not args or args[0].startswith("-"):
        return
    if args[0] in COMMANDS:
        check_once(COMMANDS[args[0]], args[1:])
        return
    near = difflib.get_close_matches(args[0], COMMANDS, n=1)
    meant = f"did you mean '{near[0]}'?" if near else f"there are {', '.join(COMMANDS)}"
    raise ArcherError(f"unknown command '{args[0]}'; {meant}")


def main(args: list[str] | None = None) -> None:
    """Run one command. Exits 2 for a mistake of the user's and where nothing can be printed, 130 on
    Ctrl-C, 143 on SIGTERM."""
    signal.signal(signal.SIGTERM, _terminate)
    with printing():
        sys.exit(_run(sys.argv[1:] if args is None else args))


def _run(args: list[str]) -> int:
    import tyro

    try:
        _check_command(args)
        code = tyro.extras.subcommand_cli_from_dict(
            COMMANDS,
            prog="archer",
            description=ABOUT,
            args=args,
            config=(tyro.conf.OmitArgPrefixes,),
        )
    except ArcherError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as stop:  # its text, where there is one: what was not in vain
        print(": ".join(["stopped", *map(str, stop.args)]), file=sys.stderr)
        return 143 if isinstance(stop, Terminated) else 130
    return code or 0
