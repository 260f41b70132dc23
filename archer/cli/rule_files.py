"""Commands about one rule and its file: rules, check, new, export.

Heavy imports are inside: `archer --help` must not wait for torch.
"""

import inspect
import shlex
from pathlib import Path
from typing import Annotated, Literal

from archer.cli.option import arg


def rules() -> None:
    """List every built-in rule: equations, knobs with defaults and bounds, slots, signals.

    Example: archer rules
    """
    from archer.cli.show import show_rules

    show_rules()


def check(
    rule: Annotated[str, arg(metavar="FILE", help="path of a rule file, or a built-in name")],
    /,
) -> int:
    """Is this a valid rule? Every check by name, with what went wrong and where.

    Example: archer check my_rule.py
    """
    from archer.check import check_file
    from archer.cli.show import show_check

    report = check_file(rule)
    show_check(report)
    return 0 if report.ok else 2


def new(
    name: Annotated[str, arg(metavar="NAME", help="name of the rule, in snake_case")],
    /,
    *,
    folder: Annotated[Path, arg(help="where to write NAME.py")] = Path("."),
) -> None:
    """Write a commented starting file for a rule of your own; it passes `archer check`.

    Example: archer new my_rule
    """
    from archer.rules.template import write_template

    show_written(write_template(name, folder))


def show_written(path: Path) -> None:
    """Where a rule was written, and what comes next, fit to be copied into a shell."""
    typed = shlex.quote(str(path))
    print(f"wrote {path}\nnext: archer check {typed}, then archer bench delta {typed}")


def export(
    rule: Annotated[str, arg(metavar="RULE", help="a built-in name or a rule file")],
    /,
    *,
    to: Annotated[Literal["fla-naive"], arg(help="convention of the written file")] = "fla-naive",
    out: Annotated[
        Path | None, arg(metavar="FILE", help="file to write; default: standard output")
    ] = None,
) -> None:
    """Write a rule as one self-contained PyTorch file with delta_rule_chunkwise(q, k, v, beta).

    Example: archer export momentum --to fla-naive --out momentum.py
    """
    from archer.check import checked_graph
    from archer.export import export_rule
    from archer.files import write_whole
    from archer.rules.load import load_rule

    graph = checked_graph(rule)
    doc = inspect.getdoc(inspect.getmodule(load_rule(rule))) or ""
    source = export_rule(graph, to, doc=doc)
    if out is None:
        print(source, end="")
    else:
        print(f"wrote {write_whole(out, source)}")
