"""One function per command; its signature is its options, its docstring its help.

Heavy imports are inside: `archer --help` must not wait for torch.
"""

from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import UseAppendAction, arg

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
        arg(metavar="RULE", help="built-in names or rule files; default: all eight"),
    ] = (),
    /,
    *,
    preset: Annotated[
        Literal["smoke", "quick", "core", "mad"],
        arg(help="smoke: seconds; quick: minutes; core: six baselines; mad: all 66 settings"),
    ] = "quick",
    tasks: TaskNames = None,
    seeds: Annotated[int, arg(help="seeds per setting: initialisation, data order, data")] = 1,
    protocol: Annotated[
        Literal["strict", "mad-lab"],
        arg(help="strict selects on validation data; mad-lab on test data, as published"),
    ] = "strict",
    device: Annotated[Literal["auto", "cpu", "cuda"], arg(help="where to train")] = "auto",
    heads: Annotated[int | None, arg(help="heads per mixer; default: the preset's, 1")] = None,
    set: Annotated[
        UseAppendAction[tuple[str, ...]],
        arg(metavar="RULE.KNOB=VALUE", help="set a knob; may be repeated"),
    ] = (),
    learn: Annotated[
        UseAppendAction[tuple[str, ...]],
        arg(metavar="RULE.KNOB", help="train a knob; may be repeated"),
    ] = (),
    precision: Annotated[
        Literal["fp32", "bf16"] | None, arg(help="default: bf16 on a GPU, fp32 elsewhere")
    ] = None,
    workers: Annotated[int | None, arg(help="processes on a CPU; default: one per core")] = None,
    out: Annotated[Path | None, arg(help="folder for the files; default: results/PRESET")] = None,
    dry_run: Annotated[bool, arg(help="say what it would cost and train nothing")] = False,
) -> None:
    """Train rules on the MAD tasks and print the table of accuracies.

    Example: archer bench delta momentum my_rule.py --preset quick --set momentum.mu=0.8
    """
    from archer.bench import bench as run
    from archer.bench import find_device, plan_bench
    from archer.cli.show import show_estimate, show_results

    knobs = {name: _number(name, value) for name, value in map(_assignment, set)}
    device_found = find_device(device)
    if dry_run:
        plan = plan_bench(
            rules,
            preset=preset,
            tasks=tasks,
            seeds=seeds,
            protocol=protocol,
            device=device_found,
            heads=heads,
            knobs=knobs,
            learn=learn,
            precision=precision,
        )
        show_estimate(plan, device_found, workers)
        return
    results = run(
        rules,
        preset=preset,
        tasks=tasks,
        seeds=seeds,
        protocol=protocol,
        device=device_found,
        heads=heads,
        knobs=knobs,
        learn=learn,
        precision=precision,
        workers=workers,
        out=out or Path("results") / preset,
    )
    show_results(results)


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
    import inspect

    from archer.export import export_rule
    from archer.files import write_whole
    from archer.rules.load import load_rule
    from archer.rules.trace import trace

    found = load_rule(rule)
    doc = inspect.getdoc(inspect.getmodule(found)) or ""
    source = export_rule(trace(found), to, doc=doc)
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
