"""One function per command; its signature is its options, its docstring its help.

Heavy imports are inside: `archer --help` must not wait for torch.
"""

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import UseAppendAction, arg

from archer.cli.given import FROM, check_workers, refuse_unheeded
from archer.errors import ArcherError

TaskNames = Annotated[
    tuple[str, ...] | None, arg(metavar="TASK [TASK ...]", help="tasks to run; default: all six")
]


def rules() -> None:
    """List every built-in rule: equations, knobs with defaults and bounds, slots, signals.

    Example: archer rules
    """
    from archer.cli.show import show_rules

    show_rules()


def bench(
    rules: Annotated[
        tuple[str, ...],
        arg(
            metavar="RULE",
            help="built-in names, rule files, attention, or 'fla:NAME(option=value)'; "
            "default: all eight rules",
        ),
    ] = (),
    /,
    *,
    preset: Annotated[
        Literal["smoke", "quick", "core", "mad"],
        arg(help="smoke: seconds; quick: minutes; core: six baselines; mad: all 66 settings"),
    ] = "quick",
    tasks: TaskNames = None,
    seeds: Annotated[int, arg(help="seeds per setting: initialisation, data order, data")] = 1,
    first_seed: Annotated[int, arg(help="the first of them")] = 0,
    rates_from: Annotated[
        str | None,
        arg(
            metavar="DIR",
            help="a record, or folder or URL of a store: train each setting at one lr and weight "
            "decay only, those that were best there, on validation data, for each rule its own",
        ),
    ] = None,
    rates_of: Annotated[
        str | None, arg(metavar="RULE", help="--rates-from takes this rule's rates for all")
    ] = None,
    protocol: Annotated[
        Literal["strict", "mad-lab"],
        arg(help="strict selects on validation data; mad-lab on test data, as published"),
    ] = "strict",
    device: Annotated[Literal["auto", "cpu", "cuda"], arg(help="where to train")] = "auto",
    heads: Annotated[int | None, arg(help="heads per mixer; default: the preset's, 1")] = None,
    output_gate: Annotated[
        bool, arg(help="multiply the memory's output by silu(x W), as fla's GatedDeltaNet does")
    ] = False,
    set: Annotated[
        UseAppendAction[tuple[str, ...]],
        arg(
            metavar="RULE.KNOB=VALUE",
            help="fix a knob, or start it there where --learn names it; may be repeated",
        ),
    ] = (),
    learn: Annotated[
        UseAppendAction[tuple[str, ...]],
        arg(metavar="RULE.KNOB", help="train a knob; may be repeated"),
    ] = (),
    precision: Annotated[
        Literal["fp32", "bf16"] | None, arg(help="default: bf16 on a GPU, fp32 elsewhere")
    ] = None,
    workers: Annotated[int | None, arg(help="processes on a CPU; default: one per core")] = None,
    out: Annotated[
        Path | None,
        arg(help="folder for the files; default: results/PRESET, or results/PRESET-chosen-rates"),
    ] = None,
    store: Annotated[
        str | None,
        arg(
            metavar="URL",
            help="database of trials: sqlite:///FILE or postgresql://USER@HOST/DATABASE; "
            "default: archer.db in the folder",
        ),
    ] = None,
    dry_run: Annotated[bool, arg(help="say what it would cost and train nothing")] = False,
    save_weights: Annotated[
        bool, arg(help="keep the best weights of every selected trial, for archer.load")
    ] = False,
    from_: Annotated[
        Path | None,
        arg(name="from", metavar="RECORD", help="rebuild a record's tables without training"),
    ] = None,
) -> int | None:
    """Train rules on the MAD tasks and print the table of accuracies.

    Stopped or killed, the same command continues: trials that have ended are never trained again.

    Example: archer bench delta momentum my_rule.py --preset quick --set momentum.mu=0.8
    """
    if from_ is not None:
        refuse_unheeded(bench, locals(), ("from_", "out"), FROM)
        from archer.cli.record import show_rebuilt

        return show_rebuilt(from_, out)
    from archer.benchmark import bench as run
    from archer.benchmark import find_device, plan_bench
    from archer.cli.show import show_estimate, show_results
    from archer.mad.presets import CHOSEN, folder_name

    knobs = _knob_values(set)
    # a plan for a card that is elsewhere can be made anywhere
    device_found = device if dry_run and device == "cuda" else find_device(device)
    check_workers(device_found, workers)
    if dry_run:
        plan = plan_bench(
            rules or None,
            preset=preset,
            tasks=tasks,
            seeds=seeds,
            first_seed=first_seed,
            rates_from=rates_from,
            rates_of=rates_of,
            protocol=protocol,
            device=device_found,
            heads=heads,
            output_gate=output_gate,
            knobs=knobs,
            learn=learn,
            precision=precision,
        )
        show_estimate(plan, device_found, workers)
        return None
    results = run(
        rules or None,
        preset=preset,
        tasks=tasks,
        seeds=seeds,
        first_seed=first_seed,
        rates_from=rates_from,
        rates_of=rates_of,
        protocol=protocol,
        device=device_found,
        heads=heads,
        output_gate=output_gate,
        knobs=knobs,
        learn=learn,
        precision=precision,
        workers=workers,
        out=out or Path("results") / folder_name(preset if rates_from is None else preset + CHOSEN),
        store=store,
        save_weights=save_weights,
    )
    show_results(results)
    return None


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

    path = write_template(name, folder)
    print(f"wrote {path}\nnext: archer check {path}, then archer bench delta {path}")


def export(
    rule: Annotated[str, arg(metavar="RULE", help="a built-in name or a rule file")],
    /,
    *,
    to: Annotated[Literal["fla-naive"], arg(help="convention of the written file")] = "fla-naive",
    out: Annotated[Path | None, arg(help="file to write; default: standard output")] = None,
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


def data(
    task: Annotated[str, arg(metavar="TASK", help="task name, e.g. in-context-recall")],
    /,
    *,
    out: Annotated[Path, arg(metavar="FILE.npz", help="file to write")],
    set: Annotated[
        UseAppendAction[tuple[str, ...]],
        arg(metavar="FIELD=VALUE", help="change a field of the setting; may be repeated"),
    ] = (),
    split: Annotated[
        Literal["train", "validation", "test"], arg(help="which of the three streams")
    ] = "train",
    n: Annotated[int | None, arg(help="instances; default: the setting's own number")] = None,
    seed: Annotated[int, arg(help="seed; 0 is the protocol's")] = 0,
) -> None:
    """Write a task's data as arrays `inputs` and `targets` (int32, -100 = not scored).

    Example: archer data memorization --set vocab_size=512 --split test --out memorization.npz
    """
    from archer.mad.export import setting_with, write_arrays

    setting = setting_with(task, dict(map(_assignment, set)))
    path, shape = write_arrays(setting, split, seed, n, out)
    print(f"wrote {path}: inputs and targets {shape[0]} x {shape[1]}, {setting.name}, {split}")


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


def report(
    folder: Annotated[Path, arg(metavar="DIR", help="a result folder or a record")],
    /,
    *,
    against: Annotated[str | None, arg(metavar="RULE", help="baseline; default: delta")] = None,
    format: Annotated[
        Literal["md", "html"] | None, arg(help="default: both, or what --out ends with")
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


def _knob_values(assignments: Sequence[str]) -> dict[str, float]:
    """Raises ArcherError for what is no NAME=NUMBER, and for a name given twice."""
    found: dict[str, float] = {}
    for name, value in map(_assignment, assignments):
        if name in found:
            raise ArcherError(
                f"--set {name} is given twice: a table holds one value of a knob; several are "
                "compared by archer sweep"
            )
        found[name] = _number(name, value)
    return found


def _assignment(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise ArcherError(f"--set {text}: write NAME=VALUE, as in --set momentum.mu=0.8")
    return name.strip(), value.strip()


def _number(name: str, value: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise ArcherError(f"--set {name}={value}: {value!r} is not a number") from None
