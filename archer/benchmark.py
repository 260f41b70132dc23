"""Benchmark rules on MAD: the Python face of `archer bench`."""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from archer.check import checked_graph
from archer.errors import ArcherError
from archer.files import prepare_folder
from archer.mad.plan import Knobs, Plan, make_plan
from archer.mad.presets import Preset
from archer.mad.presets import preset as find_preset
from archer.mad.results import Results, curves_frame, trials_frame
from archer.mad.runner import Event, run, worker_count
from archer.mad.trial import Protocol
from archer.report.files import write_results
from archer.rules.load import BUILTIN
from archer.store import Store, open_store
from archer.store.training import kept, train_missing
from archer.train.results import MemberResult


def bench(
    rules: Sequence[str | Path] | None = None,
    *,
    preset: str | Preset = "quick",
    tasks: Sequence[str] | None = None,
    seeds: int = 1,
    protocol: Protocol = "strict",
    device: str = "auto",
    heads: int | None = None,
    knobs: Mapping[str, float] | None = None,
    learn: Sequence[str] = (),
    precision: str | None = None,
    workers: int | None = None,
    out: str | Path | None = None,
    store: str | Path | None = None,
    progress: bool = True,
) -> Results:
    """Train rules on MAD and return their tables; see `archer bench --help`.

    rules: built-in names or paths of rule files, all built-in ones by default. knobs: values by
    "rule.knob"; learn: knobs to train, by "rule.knob". out: folder for the files of
    docs/results.md, nothing is written without it. store: folder, file or URL of the database of
    trials, by default in `out`; what it has is not trained again. Raises ArcherError for anything
    it cannot do.
    """
    device = find_device(device)
    plan = plan_bench(
        rules,
        preset=preset,
        tasks=tasks,
        seeds=seeds,
        protocol=protocol,
        device=device,
        heads=heads,
        knobs=knobs,
        learn=learn,
        precision=precision,
    )
    if device == "cpu":
        worker_count(plan.populations, workers)  # refuses a bad number before anything is written
    folder = None if out is None else prepare_folder(Path(out))
    address = folder if store is None else store
    with nullcontext() if address is None else open_store(address) as opened:
        results = run_plan(plan, device, workers, progress=progress, store=opened)
    if folder is None:
        return results
    write_results(results, folder)
    return replace(results, out=folder)


def plan_bench(
    rules: Sequence[str | Path] | None = None,
    *,
    preset: str | Preset = "quick",
    tasks: Sequence[str] | None = None,
    seeds: int = 1,
    protocol: Protocol = "strict",
    device: str = "cpu",
    heads: int | None = None,
    knobs: Mapping[str, float] | None = None,
    learn: Sequence[str] = (),
    precision: str | None = None,
) -> Plan:
    """What `bench` would train, without training it. Arguments as there."""
    if isinstance(rules, str | Path):
        rules = [rules]
    if isinstance(tasks, str):
        tasks = [tasks]
    chosen = find_preset(preset) if isinstance(preset, str) else preset
    chosen = chosen.only(tasks)
    if heads is not None:
        chosen = replace(chosen, heads=heads)
    graphs = [checked_graph(str(rule)) for rule in rules or BUILTIN]
    return make_plan(
        graphs,
        chosen,
        protocol=protocol,
        seeds=seeds,
        knobs=Knobs(dict(knobs or {}), tuple(learn)),
        precision=precision or ("bf16" if device == "cuda" else "fp32"),
    )


def run_plan(
    plan: Plan,
    device: str,
    workers: int | None = None,
    *,
    progress: bool,
    store: Store | None = None,
) -> Results:
    """Train a plan's populations, or what the store lacks of them.

    Raises ArcherError if every one of them failed; KeyboardInterrupt then says what is kept.
    """
    from archer.report.progress import watch

    began = time.perf_counter()
    outcomes: dict[str, MemberResult] = {}
    failures: dict[str, str] = {}
    if store is None:
        with watch(plan, progress) as show:
            _collect(plan, device, workers, outcomes, failures, show)
    else:
        _complete(plan, store, device, workers, outcomes, failures, progress)
    if not outcomes:
        raise ArcherError(f"every training failed: {next(iter(failures.values()), 'no trials')}")
    trials = trials_frame(plan, outcomes, failures, device)
    if store is not None:  # what was found may have been trained elsewhere
        devices = store.devices(sorted(outcomes))
        trials["device"] = trials["trial"].map(devices).fillna(device)
    seconds = time.perf_counter() - began
    return Results(plan, trials, seconds, device, curves=curves_frame(outcomes))


def _collect(
    plan: Plan,
    device: str,
    workers: int | None,
    outcomes: dict[str, MemberResult],
    failures: dict[str, str],
    show: Callable[[Event], None],
) -> None:
    for event in run(plan.populations, device, workers):
        show(event)
        trials = plan.populations[event.index].trials
        if event.kind == "failed":
            failures |= dict.fromkeys((trial.id for trial in trials), event.reason)
        elif event.kind == "results":
            outcomes |= dict(zip((t.id for t in trials), event.results, strict=True))


def _complete(
    plan: Plan,
    store: Store,
    device: str,
    workers: int | None,
    outcomes: dict[str, MemberResult],
    failures: dict[str, str],
    progress: bool,
) -> None:
    """Train what the store lacks; outcomes are what it then holds."""
    from archer.report.progress import watch

    def say(text: str) -> None:
        if progress and text:
            print(text, file=sys.stderr)

    try:
        failures |= train_missing(
            plan, store, device, workers, lambda part: watch(part, progress), say
        )
    except KeyboardInterrupt:
        raise KeyboardInterrupt(kept(plan, store)) from None
    outcomes |= store.results(sorted({row.trial.id for row in plan.rows}))


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
