"""`archer bench`; its signature is its options, its docstring its help.

Heavy imports are inside: `archer --help` must not wait for torch.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

from tyro.conf import UseAppendAction

from archer.cli.assignments import knob_values
from archer.cli.given import check_record, check_workers
from archer.cli.option import arg


def bench(
    rules: Annotated[
        tuple[str, ...],
        arg(
            metavar="[RULE ...]",
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
    tasks: Annotated[
        tuple[str, ...] | None,
        arg(metavar="TASK [TASK ...]", help="tasks to run; default: all six"),
    ] = None,
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
    heads: Annotated[
        int | None, arg(metavar="N", help="heads per mixer; default: the preset's, 1")
    ] = None,
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
        Literal["fp32", "bf16"] | None,
        arg(metavar="{fp32,bf16}", help="default: bf16 on a GPU, fp32 elsewhere"),
    ] = None,
    workers: Annotated[
        int | None, arg(metavar="N", help="processes on a CPU; default: one per core")
    ] = None,
    out: Annotated[
        Path | None,
        arg(
            metavar="DIR",
            help="folder for the files; default: results/PRESET, or results/PRESET-chosen-rates",
        ),
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
        check_record(bench, locals())
        from archer.cli.record import show_rebuilt

        return show_rebuilt(from_, out)
    from archer.benchmark import bench as run
    from archer.benchmark import find_device, plan_bench
    from archer.cli.show import show_estimate, show_results
    from archer.mad.presets import CHOSEN, folder_name

    knobs = knob_values(set)
    # a plan for a card that is elsewhere can be made anywhere
    device_found = device if dry_run and device == "cuda" else find_device(device)
    check_workers(device_found, workers)
    planned: dict[str, Any] = {
        "preset": preset,
        "tasks": tasks,
        "seeds": seeds,
        "first_seed": first_seed,
        "rates_from": rates_from,
        "rates_of": rates_of,
        "protocol": protocol,
        "device": device_found,
        "heads": heads,
        "output_gate": output_gate,
        "knobs": knobs,
        "learn": learn,
        "precision": precision,
    }
    if dry_run:
        show_estimate(plan_bench(rules or None, **planned), device_found, workers)
        return None
    results = run(
        rules or None,
        **planned,
        workers=workers,
        out=out or Path("results") / folder_name(preset if rates_from is None else preset + CHOSEN),
        store=store,
        save_weights=save_weights,
    )
    show_results(results)
    return None
