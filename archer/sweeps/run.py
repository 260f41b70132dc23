"""Sweep the knobs of a rule: the Python face of `archer sweep`."""

import math
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pandas as pd

from archer.benchmark import find_device, run_plan
from archer.files import prepare_folder
from archer.mad.presets import Preset
from archer.mad.runner import worker_count
from archer.rules.base import Rule
from archer.store import Store, open_store
from archer.sweeps import search as searching
from archer.sweeps.choose import point_curves, seed_scores
from archer.sweeps.files import write_sweep
from archer.sweeps.noted import note
from archer.sweeps.plan import Sweep, plan_sweep
from archer.sweeps.points import Point, once
from archer.sweeps.results import SweepResults


def sweep(
    rule: str | Path | type[Rule],
    *,
    set: Sequence[str] = (),
    learn: Sequence[str] = (),
    chunk_sizes: Sequence[int] = (),
    preset: str | Preset = "quick",
    tasks: Sequence[str] | None = None,
    seeds: int = 3,
    lrs: Sequence[float] | None = None,
    weight_decays: Sequence[float] | None = None,
    rates_from: str | Path | None = None,
    rates_of: str = "delta",
    one_at_a_time: bool = False,
    search: searching.Kind | None = None,
    trials: int | None = None,
    search_seed: int = 0,
    heads: int | None = None,
    precision: str | None = None,
    device: str = "auto",
    workers: int | None = None,
    out: str | Path | None = None,
    store: str | Path | None = None,
    large: bool = False,
    progress: bool = True,
) -> SweepResults:
    """Train a rule at many values of its knobs, and choose on validation data; docs/sweeps.md.

    set: as in "momentum.mu=0.7,0.8,learned" or "adam.lr=0.5:1.5:5". rates_from: a record, folder
    or store: per setting, train at the lr x weight decay that was best there for the rule
    `rates_of`. one_at_a_time: vary one name at a time instead of all combinations. search:
    "random" or "tpe", with so many trials, instead of the whole grid. large: allow more than 200
    points. out, store: as in `archer.bench`. Raises ArcherError for anything it cannot do.
    """
    device = find_device(device)
    planned = plan_sweep(
        rule,
        set=set,
        learn=learn,
        chunk_sizes=chunk_sizes,
        preset=preset,
        tasks=tasks,
        seeds=seeds,
        lrs=lrs,
        weight_decays=weight_decays,
        rates_from=rates_from,
        rates_of=rates_of,
        one_at_a_time=one_at_a_time,
        search=search,
        trials=trials,
        search_seed=search_seed,
        heads=heads,
        precision=precision,
        device=device,
        large=large,
    )
    if device == "cpu":
        worker_count([], workers)  # refuses a bad number before anything is written
    folder = None if out is None else prepare_folder(Path(out))
    address = folder if store is None else store
    with nullcontext() if address is None else open_store(address) as opened:
        results = run_sweep(planned, device, workers, store=opened, out=folder, progress=progress)
    if folder is None:
        return results
    results = replace(results, out=folder)
    write_sweep(results, folder)
    return results


def run_sweep(
    planned: Sweep,
    device: str,
    workers: int | None = None,
    *,
    store: Store | None = None,
    out: Path | None = None,
    progress: bool = True,
) -> SweepResults:
    """Train what the store lacks of a sweep. Raises ArcherError as `run_plan` does."""
    began = time.perf_counter()
    design, base = planned.design, planned.reference
    tables: list[pd.DataFrame] = []
    come_to: list[Point] = []

    def train(points: Sequence[Point]) -> pd.DataFrame:
        come_to.extend(points)
        if store is not None:
            note(store, planned, come_to)
        points = once(points if tables else [*points, base])
        plan = design.plan(points)
        results = run_plan(plan, device, workers, progress=progress, store=store, out=out)
        tables.append(design.trials(results.trials, points))
        return tables[-1]

    def evaluate(points: list[Point]) -> list[float]:
        """Mean validation accuracy over tasks, of each point."""
        trained = train(points)
        curves = point_curves(seed_scores(trained)).groupby("point")["mean"]
        means = {str(point): float(each.mean(skipna=False)) for point, each in curves}
        return [means.get(point.label, math.nan) for point in points]

    if planned.kind is None:
        points = list(planned.points)
        train(points)
    else:
        points = searching.search(
            planned.kind,
            planned.swept,
            planned.learn,
            planned.trials,
            evaluate,
            name=planned.study,
            seed=planned.seed,
            store=store,
        )
    trials = pd.concat(tables, ignore_index=True)
    keys = ["point", "setting", "lr", "weight_decay", "seed"]  # a search may come back to a point
    return SweepResults(
        design=design,
        swept=planned.swept,
        points=tuple(once(points)),
        reference=base,
        trials=trials.drop_duplicates(keys, ignore_index=True),
        seconds=time.perf_counter() - began,
        device=device,
        search=planned.kind,
        one_at_a_time=planned.one_at_a_time,
    )
