"""Benchmark rules on MAD: the Python face of `archer bench`."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from archer.errors import ArcherError
from archer.files import prepare_folder
from archer.mad.plan import Knobs, Plan, make_plan
from archer.mad.presets import Preset
from archer.mad.presets import preset as find_preset
from archer.mad.results import Results, trials_frame
from archer.mad.runner import Event, run
from archer.mad.trial import Protocol
from archer.report.files import write_results
from archer.rules.load import BUILTIN, load_graph
from archer.train.results import MemberResult


def bench(
    rules: Sequence[str] | None = None,
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
    progress: bool = True,
) -> Results:
    """Train rules on MAD and return their tables; see `archer bench --help`.

    rules: built-in names or paths of rule files, all built-in ones by default. knobs: values by
    "rule.knob"; learn: knobs to train, by "rule.knob". out: folder for results.csv, trials.csv
    and report.md, nothing is written without it. Raises ArcherError for anything it cannot do.
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
    folder = None if out is None else prepare_folder(Path(out))
    results = run_plan(plan, device, workers, progress=progress)
    if folder is None:
        return results
    write_results(results, folder)
    return replace(results, out=folder)


def plan_bench(
    rules: Sequence[str] | None = None,
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
    if isinstance(rules, str):
        rules = [rules]
    chosen = find_preset(preset) if isinstance(preset, str) else preset
    chosen = chosen.only(tasks)
    if heads is not None:
        chosen = replace(chosen, heads=heads)
    graphs = [load_graph(rule) for rule in rules or BUILTIN]
    return make_plan(
        graphs,
        chosen,
        protocol=protocol,
        seeds=seeds,
        knobs=Knobs(dict(knobs or {}), tuple(learn)),
        precision=precision or ("bf16" if device == "cuda" else "fp32"),
    )


def run_plan(plan: Plan, device: str, workers: int | None = None, *, progress: bool) -> Results:
    """Train a plan's populations. Raises ArcherError if every one of them failed."""
    from archer.report.progress import watch

    began = time.perf_counter()
    outcomes: dict[str, MemberResult] = {}
    failures: dict[str, str] = {}
    with watch(plan, progress) as show:
        _collect(plan, device, workers, outcomes, failures, show)
    if not outcomes:
        raise ArcherError(f"every training failed: {next(iter(failures.values()), 'no trials')}")
    trials = trials_frame(plan, outcomes, failures, device)
    return Results(plan, trials, time.perf_counter() - began, device)


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
