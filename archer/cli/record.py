"""`archer record` and `archer bench --from`."""

from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import UseAppendAction, arg


def record(
    store: Annotated[
        str, arg(metavar="DIR", help="folder of a benchmark, or the URL or file of its store")
    ],
    /,
    *,
    name: Annotated[
        str | None, arg(help="the record is OUT/DATE-NAME; default: the preset's name")
    ] = None,
    out: Annotated[Path, arg(help="folder of records")] = Path("records"),
    preset: Annotated[str | None, arg(help="which, if the store holds several")] = None,
    protocol: Annotated[
        Literal["strict", "mad-lab"] | None, arg(help="which, if the store holds both")
    ] = None,
    runs: Annotated[
        tuple[int, ...], arg(metavar="N [N ...]", help="only what these runs asked for")
    ] = (),
    rules: Annotated[
        tuple[str, ...], arg(metavar="RULE [RULE ...]", help="only these, in this order")
    ] = (),
    tasks: Annotated[tuple[str, ...], arg(metavar="TASK [TASK ...]", help="only these")] = (),
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
    """Make a record of a benchmark: trials, table, commands, environment and report, in text.

    One table of all that was asked of one preset and protocol, whatever the number of commands.

    Example: archer record results/core --name core-3-seeds
    """
    from archer.cli.show import console
    from archer.record import Choice, make_record

    made = make_record(
        store,
        name=name,
        out=out,
        choice=Choice(preset, protocol, runs, rules, tasks),
        partial=partial,
        commands=command,
        against=against,
        beside=beside,
    )
    for file, size in made.sizes.items():
        console.print(f"{size:>9,}  {made.folder / file}", markup=False)
    console.print(f"{sum(made.sizes.values()):>9,}  bytes in all")
    for note in made.notes:
        console.print(f"- {note}", markup=False)


def show_rebuilt(record: Path, out: Path | None = None) -> int:
    """`archer bench --from RECORD`: its table again, without training; 1 if it is another.

    out: folder for the files, by default results/NAME, the record's own name.
    """
    from archer.cli.show import console
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
    console.print(terminal_table(study))
    console.print("")
    for note in notes(study):
        console.print(f"- {note}", markup=False)
    console.print("\nwrote " + ", ".join(map(str, found.files)), markup=False)
    same = found.difference is None
    said = "equal to the record's results.csv" if same else f"not equal: {found.difference}"
    console.print(said, markup=False)
    return 0 if same else 1
