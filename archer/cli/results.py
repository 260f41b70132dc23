"""Commands that read what was trained: status, report, verify, compare.

Heavy imports are inside: `archer --help` must not wait for torch.
"""

from pathlib import Path
from typing import Annotated, Literal

from archer.cli.option import arg
from archer.errors import ArcherError


def status(
    store: Annotated[
        str, arg(metavar="DIR", help="folder of a benchmark, or the URL or file of its store")
    ],
    /,
) -> None:
    """How far is a benchmark? Trials done, running and failed, per rule and task.

    Example: archer status results/quick
    """
    from archer.cli.show import show_status
    from archer.store import open_store

    with open_store(store, create=False) as opened:
        show_status(opened)


def report(
    folder: Annotated[Path, arg(metavar="DIR", help="a result folder or a record")],
    /,
    *,
    against: Annotated[str | None, arg(metavar="RULE", help="baseline; default: delta")] = None,
    format: Annotated[
        Literal["md", "html"] | None,
        arg(metavar="{md,html}", help="default: both, or what --out ends with"),
    ] = None,
    out: Annotated[Path | None, arg(metavar="FILE", help="file to write; default: in DIR")] = None,
    beside: Annotated[
        Path | None, arg(metavar="FILE.csv", help="published rows to stand beside ours")
    ] = None,
) -> None:
    """Write the report of a result folder as Markdown and as one HTML page.

    Example: archer report results/quick --against delta --out quick.html
    """
    from archer.report.files import write_report

    for path in write_report(folder, against, format, out, beside):
        print(f"wrote {path}")


def verify(
    report: Annotated[Path, arg(metavar="REPORT", help="Markdown or text to check")],
    /,
    *,
    table: Annotated[
        Path, arg(metavar="PATH", help="a results.csv, or a result folder (adds seeds)")
    ],
    json: Annotated[bool, arg(help="print a list of objects instead of a table")] = False,
) -> int:
    """Hold what a report says against a table of scores; exit 1 when something is refuted.

    Example: archer verify report.md --table results/quick
    """
    from archer.cli.show_analysis import print_json, show_verdicts
    from archer.report.claims import verify_file

    if report.suffix.lower() in (".html", ".htm"):
        raise ArcherError(f"{report}: pages are not read; give the Markdown or text of the report")
    verdicts = verify_file(report, table)
    (print_json if json else show_verdicts)(verdicts)
    return int(any(verdict.status == "refuted" for verdict in verdicts))


def compare(
    a: Annotated[Path, arg(metavar="A", help="a result folder or a record")],
    b: Annotated[Path, arg(metavar="B", help="another; differences are B minus A")],
    /,
) -> None:
    """What changed between two result folders, and whether beyond noise.

    Example: archer compare results/before results/after
    """
    from archer.cli.show_analysis import show_comparison
    from archer.report.compare import Comparison

    show_comparison(Comparison.load(a, b))
