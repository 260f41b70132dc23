"""`archer lengths`; its signature is its options, its docstring its help."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from archer.cli.given import check_record
from archer.cli.option import arg
from archer.errors import ArcherError

if TYPE_CHECKING:
    from archer.lengths import Measured


def lengths(
    folder: Annotated[
        Path | None, arg(metavar="DIR", help="folder of a benchmark with --save-weights")
    ] = None,
    /,
    *,
    length: Annotated[int, arg(help="tokens of a sequence")] = 65536,
    sequences: Annotated[int, arg(help="sequences of each kind")] = 16,
    since: Annotated[int, arg(help="position from which growth is counted")] = 1024,
    setting: Annotated[
        str | None,
        arg(
            metavar="SETTING",
            help="of in-context recall, if several were trained; default: the baseline",
        ),
    ] = None,
    rules: Annotated[
        tuple[str, ...], arg(metavar="RULE [RULE ...]", help="only these, in this order")
    ] = (),
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
    store: Annotated[
        str | None, arg(metavar="URL", help="database of trials; default: in the folder")
    ] = None,
    device: Annotated[Literal["auto", "cpu", "cuda"], arg(help="where to compute")] = "auto",
    out: Annotated[
        Path | None,
        arg(metavar="DIR", help="folder of the record; default: results/lengths-NAME, NAME of DIR"),
    ] = None,
    from_: Annotated[
        Path | None,
        arg(name="from", metavar="RECORD", help="rebuild a record's report without measuring"),
    ] = None,
) -> int | None:
    """Read sequences far longer than in training: memory, output and error by position.

    With every rule trained on in-context recall by `archer bench ... --save-weights`.

    Example: archer lengths results/quick --length 65536
    """
    if (folder is None) == (from_ is None):
        raise ArcherError("give the folder of a benchmark, or --from and a record")
    if from_ is not None:
        check_record(lengths, locals())
        return show_rebuilt_lengths(from_, out)
    assert folder is not None
    from archer.benchmark import find_device
    from archer.lengths import lengths as run
    from archer.record import Choice

    target = out or Path("results") / f"lengths-{folder.resolve().name}"
    measured = run(
        folder,
        target,
        length=length,
        sequences=sequences,
        since=since,
        choice=Choice(preset, protocol, runs, rules),
        setting=setting,
        store=store,
        device=find_device(device),
        say=lambda text: print(text, file=sys.stderr),
    )
    _show(measured)
    print(f"\nwrote {target}: lengths.csv, report.md, lengths.svg and what they were made from")
    return None


def show_rebuilt_lengths(record: Path, out: Path | None) -> int:
    """`archer lengths --from RECORD`: its report again; 1 if it is another."""
    from archer.lengths import rebuild

    found = rebuild(record, out)
    _show(found.measured)
    same = found.difference is None
    print("\nequal to the record's files" if same else f"\nnot equal: {found.difference}")
    return 0 if same else 1


def _show(measured: "Measured") -> None:
    """Errors, growth, and what to keep in mind."""
    from archer.cli.show import console
    from archer.cli.tables import frame_table
    from archer.lengths import words
    from archer.lengths.sequences import BINDINGS
    from archer.lengths.tables import error_table, growth_table

    console.print(f"\n{words.title(measured)}\n", markup=False)
    for line in words.setup(measured):
        console.print(f"- {line}", markup=False)
    for heading, table in (("Retrieval error", error_table), ("Growth", growth_table)):
        for kind in BINDINGS:
            console.print(f"\n{heading}. {words.ABOUT[kind]}:\n", markup=False)
            console.print(frame_table(table(measured, kind)))
    console.print(f"\n{words.SPREAD}\n", markup=False)
    for note in words.notes(measured):
        console.print(f"- {note}", markup=False)
