"""`archer record`, `archer bench --from` and `archer sweep --from`."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import UseAppendAction

from archer.cli.option import arg
from archer.errors import ArcherError

if TYPE_CHECKING:
    from archer.record import Made

Rebuilding = Callable[[Path, Path | None], int]  # of a record, into a folder; the exit status


def record(
    store: Annotated[
        str,
        arg(metavar="DIR", help="folder of a benchmark, sweep or search, or its store"),
    ],
    /,
    *,
    name: Annotated[
        str | None,
        arg(metavar="NAME", help="the record is OUT/DATE-NAME; default: the preset's name"),
    ] = None,
    out: Annotated[Path, arg(help="folder of records")] = Path("records"),
    preset: Annotated[
        str | None, arg(metavar="PRESET", help="which, if the store holds several")
    ] = None,
    protocol: Annotated[
        Literal["strict", "mad-lab"] | None,
        arg(metavar="{strict,mad-lab}", help="which, if the store holds both"),
    ] = None,
    runs: Annotated[
        tuple[int, ...], arg(metavar="N [N ...]", help="only what these runs asked for")
    ] = (),
    rules: Annotated[
        tuple[str, ...], arg(metavar="RULE [RULE ...]", help="only these, in this order")
    ] = (),
    tasks: Annotated[tuple[str, ...], arg(metavar="TASK [TASK ...]", help="only these")] = (),
    sweep: Annotated[
        int | None, arg(metavar="N", help="a sweep, and which, if the store holds several")
    ] = None,
    search: Annotated[bool, arg(help="the search, if the store holds other things too")] = False,
    partial: Annotated[
        bool, arg(help="also when trials are missing; the record and its report say which")
    ] = False,
    command: Annotated[
        UseAppendAction[tuple[str, ...]],
        arg(metavar="TEXT", help="a command that made it, instead of those the store knows"),
    ] = (),
    against: Annotated[str | None, arg(metavar="RULE", help="baseline; default: delta")] = None,
    beside: Annotated[
        Path | None, arg(metavar="FILE.csv", help="published rows to stand beside ours")
    ] = None,
) -> None:
    """Make a record of a benchmark, a sweep or a search: all that is needed to see it again.

    One table of all that was asked of one preset and protocol, whatever the number of commands; or
    one sweep; or a search with all its sessions. Where these share a store, --search takes the
    search, --sweep a sweep, and options that choose a table take that.

    Example: archer record results/core --name core-3-seeds
    """
    from archer.record import Choice, make_record
    from archer.sweeps.record import is_sweep, make_sweep_record

    choice = Choice(preset, protocol, runs, rules, tasks)
    chosen = bool(choice != Choice() or sweep is not None or against or beside)
    if _search_meant(store, search, chosen):
        _show_made(_record_search(store, name, out, partial, command))
        return
    if is_sweep(store, sweep, preset):
        if sweep is not None and preset is not None:
            raise ArcherError(f"--sweep {sweep} says which already: leave out --preset")
        if choice != Choice(preset) or against or beside:
            raise ArcherError(
                "--protocol, --runs, --rules, --tasks, --against and --beside are of tables: a "
                "sweep is recorded whole"
            )
        made = make_sweep_record(
            store, number=sweep, name=name, out=out, partial=partial, commands=command
        )
    else:
        made = make_record(
            store,
            name=name,
            out=out,
            choice=choice,
            partial=partial,
            commands=command,
            against=against,
            beside=beside,
        )
    _show_made(made)


def _search_meant(store: str, search: bool, chosen: bool) -> bool:
    """Whether a search is to be recorded. Raises ArcherError where that is not clear.

    search: it was asked for. chosen: options were given that choose a table or a sweep.
    """
    from archer.research.record import held

    found = held(store)
    if search and not found.search:
        raise ArcherError(f"{found.where} holds no search: leave out --search")
    if chosen and (search or (found.search and not found.others)):
        raise ArcherError("options that choose are of tables: a search is recorded whole")
    if found.kinds > 1 and not (search or chosen):
        raise ArcherError(found.listed)
    return search or (found.search and not found.others)


def _record_search(
    store: str, name: str | None, out: Path, partial: bool, commands: tuple[str, ...]
) -> "Made":
    from archer.research.record import make_search_record

    return make_search_record(store, name=name, out=out, partial=partial, commands=commands)


def _show_made(made: "Made") -> None:
    from archer.cli.show import console

    for file, size in made.sizes.items():
        console.print(f"{size:>9,}  {made.folder / file}", markup=False)
    console.print(f"{sum(made.sizes.values()):>9,}  bytes in all")
    for note in made.notes:
        console.print(f"- {note}", markup=False)


def show_rebuilt(record: Path, out: Path | None = None) -> int:
    """`archer bench --from RECORD`: its table again, without training; 1 if it is another.

    out: folder for the files, by default results/NAME, the record's own name. A record of another
    kind is rebuilt as its own command does.
    """
    other = _rebuilding(record)
    return _show_table_again(record, out) if other is None else other(record, out)


def _rebuilding(record: Path) -> Rebuilding | None:
    """What rebuilds a sweep, a search or long sequences; None for a table."""
    from archer.lengths import is_lengths_record
    from archer.research.record import is_search_record
    from archer.sweeps.recorded import is_sweep_record

    if is_sweep_record(record):
        from archer.cli.sweep import show_rebuilt_sweep

        return show_rebuilt_sweep
    if is_search_record(record):
        from archer.cli.show_research import show_rebuilt as show_rebuilt_search

        return show_rebuilt_search
    if is_lengths_record(record):
        from archer.cli.lengths import show_rebuilt_lengths

        return show_rebuilt_lengths
    return None


def _show_table_again(record: Path, out: Path | None) -> int:
    from archer.cli.show import console
    from archer.cli.tables import Whole
    from archer.record import rebuild
    from archer.report.notes import notes
    from archer.report.tables import terminal_table

    found = rebuild(record, out or Path("results") / record.resolve().name)
    study = found.study
    console.print(
        f"\n{record}: MAD accuracy, preset {study.preset}, protocol {study.protocol}, "
        "from the record's trials\n",
        markup=False,
    )
    console.print(Whole(terminal_table(study)))
    console.print("")
    for note in notes(study):
        console.print(f"- {note}", markup=False)
    console.print("\nwrote " + ", ".join(map(str, found.files)), markup=False)
    same = found.difference is None
    said = "equal to the record's results.csv" if same else f"not equal: {found.difference}"
    console.print(said, markup=False)
    return 0 if same else 1
