"""Benchmark rules on MAD: the Python face of `archer bench`."""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from archer.check import contender
from archer.errors import ArcherError
from archer.files import prepare_folder
from archer.mad.knobs import Knobs
from archer.mad.plan import Plan, make_plan
from archer.mad.presets import Preset
from archer.mad.presets import preset as find_preset
from archer.mad.rates import ChosenRates
from archer.mad.results import Results, curves_frame, trials_frame
from archer.mad.runner import run, worker_count
from archer.mad.trial import Protocol
from archer.mad.warm import warming
from archer.mad.work import Keep
from archer.record.rates import best_rates
from archer.report.files import write_results
from archer.rules.base import Rule
from archer.rules.load import BUILTIN
from archer.store import Store, open_store
from archer.store.training import checkpoint_seconds, kept, train_missing
from archer.train.results import MemberResult
from archer.weights import keep_selected

Outcomes = dict[str, MemberResult]
Failures = dict[str, str]


def bench(
    rules: Sequence[str | Path | type[Rule]] | None = None,
    *,
    preset: str | Preset = "quick",
    tasks: Sequence[str] | None = None,
    seeds: int = 1,
    first_seed: int = 0,
    rates_from: str | Path | None = None,
    rates_of: str | None = None,
    protocol: Protocol = "strict",
    device: str = "auto",
    heads: int | None = None,
    output_gate: bool = False,
    knobs: Mapping[str, float] | None = None,
    learn: Sequence[str] = (),
    precision: str | None = None,
    workers: int | None = None,
    out: str | Path | None = None,
    store: str | Path | None = None,
    save_weights: bool = False,
    progress: bool = True,
) -> Results:
    """Train rules on MAD and return their tables; see `archer bench --help`.

    rules: built-in names, paths of rule files, rule classes or peers (docs/peers.md), all built-in
    rules by default. seeds: how many, from first_seed on. rates_from: a record, folder or store:
    train each setting at one lr and weight decay, those that were best there on validation data,
    for each rule its own or for all those of the rule `rates_of`. output_gate: multiply every
    rule's normed output by silu(x W), which the benchmark's model does not. knobs: values by
    "rule.knob"; learn: knobs to train, by "rule.knob". out: folder for the files of
    docs/results.md, nothing is written without it. store: folder, file or URL of the database of
    trials, by default in `out`; what it has is not trained again. save_weights: keep the best
    parameters of every selected trial in `out`, for `archer.load`.
    Raises ArcherError for anything it cannot do.
    """
    if save_weights and out is None:
        raise ArcherError("save_weights needs a folder to save them in: give out")
    device = find_device(device)
    plan = plan_bench(
        rules,
        preset=preset,
        tasks=tasks,
        seeds=seeds,
        first_seed=first_seed,
        rates_from=rates_from,
        rates_of=rates_of,
        protocol=protocol,
        device=device,
        heads=heads,
        output_gate=output_gate,
        knobs=knobs,
        learn=learn,
        precision=precision,
    )
    if device == "cpu":
        worker_count(plan.populations, workers)  # refuses a bad number before anything is written
    folder = None if out is None else prepare_folder(Path(out))
    address = folder if store is None else store
    with nullcontext() if address is None else open_store(address) as opened:
        results = run_plan(
            plan,
            device,
            workers,
            progress=progress,
            store=opened,
            out=folder,
            save_weights=save_weights,
        )
    if folder is None:
        return results
    write_results(results, folder)
    return replace(results, out=folder)


def plan_bench(
    rules: Sequence[str | Path | type[Rule]] | None = None,
    *,
    preset: str | Preset = "quick",
    tasks: Sequence[str] | None = None,
    seeds: int = 1,
    first_seed: int = 0,
    rates_from: str | Path | None = None,
    rates_of: str | None = None,
    protocol: Protocol = "strict",
    device: str = "cpu",
    heads: int | None = None,
    output_gate: bool = False,
    knobs: Mapping[str, float] | None = None,
    learn: Sequence[str] = (),
    precision: str | None = None,
) -> Plan:
    """What `bench` would train, without training it. Arguments as there."""
    if isinstance(rules, str | Path | type):
        rules = [rules]
    if isinstance(tasks, str):
        tasks = [tasks]
    chosen = find_preset(preset) if isinstance(preset, str) else preset
    chosen = chosen.only(tasks)
    if heads is not None:
        chosen = replace(chosen, heads=heads)
    graphs = [contender(rule, device) for rule in (BUILTIN if rules is None else rules)]
    return make_plan(
        graphs,
        chosen,
        protocol=protocol,
        seeds=seeds,
        first_seed=first_seed,
        rates=_rates(rates_from, rates_of, [rule.name for rule in graphs], chosen, protocol),
        knobs=Knobs(dict(knobs or {}), tuple(learn)),
        output_gate=output_gate,
        precision=precision or ("bf16" if device == "cuda" else "fp32"),
        together=device == "cuda",
    )


def _rates(
    source: str | Path | None,
    of: str | None,
    rules: Sequence[str],
    preset: Preset,
    protocol: Protocol,
) -> tuple[ChosenRates, ...]:
    """Those that a source gives; none without one. Raises ArcherError."""
    if source is None:
        if of is not None:
            raise ArcherError("--rates-of says whose rates of a source: give --rates-from as well")
        return ()
    if protocol != "strict":
        raise ArcherError(
            f"--rates-from gives one lr and weight decay, and a score under protocol {protocol} is "
            "the maximum over the grid: leave out one of them"
        )
    return best_rates(source, rules, preset, of)


def run_plan(
    plan: Plan,
    device: str,
    workers: int | None = None,
    *,
    progress: bool,
    store: Store | None = None,
    out: Path | None = None,
    save_weights: bool = False,
) -> Results:
    """Train a plan's populations, or what the store lacks of them.

    out: folder for saved weights, and for checkpoints where the store's file is not at hand.
    Raises ArcherError if every one of them failed; KeyboardInterrupt then says what is kept.
    """
    began = time.perf_counter()
    keep = _keep(store, out, save_weights)
    if store is not None:
        _say(progress)(other_gpus(device))
    if store is None:
        outcomes, failures = _collect(plan, device, workers, keep, progress)
    else:
        outcomes, failures = _complete(plan, store, device, workers, keep, progress)
    if not outcomes:
        raise ArcherError(f"every training failed: {next(iter(failures.values()), 'no trials')}")
    trials = trials_frame(plan, outcomes, failures, device)
    if store is not None:  # what was found may have been trained elsewhere
        devices = store.devices(sorted(outcomes))
        trials["device"] = trials["trial"].map(devices).fillna(device)
    seconds = time.perf_counter() - began
    results = Results(plan, trials, seconds, device, curves=curves_frame(outcomes))
    if keep.weights is not None:
        _say(progress)(keep_selected(results, Path(keep.weights)))
    return results


def _keep(store: Store | None, out: Path | None, save_weights: bool) -> Keep:
    """What trainings leave in files: checkpoints only where a store says what they are of."""
    folder = None if store is None else store.folder or out
    return Keep(
        checkpoints=None if folder is None else str(folder / "checkpoints"),
        seconds=checkpoint_seconds(),
        weights=str(out / "weights") if save_weights and out is not None else None,
    )


def _say(progress: bool) -> Callable[[str], None]:
    return lambda text: print(text, file=sys.stderr) if progress and text else None


def _collect(
    plan: Plan, device: str, workers: int | None, keep: Keep, progress: bool
) -> tuple[Outcomes, Failures]:
    """Train everything, without a store."""
    from archer.report.progress import watch

    outcomes: Outcomes = {}
    failures: Failures = {}
    with watch(plan, progress) as show, warming(plan.populations, device):
        for event in run(plan.populations, device, workers, keep=keep):
            show(event)
            ids = [trial.id for trial in plan.populations[event.index].trials]
            outcomes |= {ids[place]: result for place, result in event.ended}
            if event.kind == "failed":
                failures |= {id: event.reason for id in ids if id not in outcomes}
    return outcomes, failures


def _complete(
    plan: Plan, store: Store, device: str, workers: int | None, keep: Keep, progress: bool
) -> tuple[Outcomes, Failures]:
    """Train what the store lacks; outcomes are what it then holds."""
    from archer.report.progress import watch

    show = lambda part: watch(part, progress)  # noqa: E731
    try:
        failures = train_missing(plan, store, device, workers, show, _say(progress), keep)
    except KeyboardInterrupt as stop:  # or a kind of it, as a command line may raise on SIGTERM
        raise type(stop)(kept(plan, store)) from None
    return store.results(sorted({row.trial.id for row in plan.rows})), failures


def other_gpus(device: str) -> str:
    """What to know where several GPUs are visible and one is used; "" elsewhere."""
    import torch

    seen = torch.cuda.device_count() if device == "cuda" else 0
    if seen < 2:
        return ""
    return (
        f"{seen} GPUs are visible and one process uses one: start the same command once for each, "
        "CUDA_VISIBLE_DEVICES=0, =1 and so on, and they share the work"
    )


def find_device(device: str) -> str:
    """ "cpu" or "cuda" for "auto", "cpu" or "cuda". Raises ArcherError."""
    import torch

    if device not in ("auto", "cpu", "cuda"):
        raise ArcherError(f"unknown device {device!r}: use auto, cpu or cuda")
    if device == "cuda" and not torch.cuda.is_available():
        raise ArcherError("--device cuda: torch sees no GPU here; use --device cpu")
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return device
