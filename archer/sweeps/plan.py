"""What a sweep will do, before anything is trained: its design and how its points are found."""

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from archer.check import contender
from archer.errors import ArcherError
from archer.mad.plan import Plan
from archer.mad.presets import Preset
from archer.mad.presets import preset as find_preset
from archer.record.rates import best_rates
from archer.rules.base import Rule
from archer.rules.peer import is_peer
from archer.sweeps.design import Design
from archer.sweeps.points import MOST_POINTS, Point, axes, grid, once, reference
from archer.sweeps.search import Kind, drawn
from archer.sweeps.values import Swept, read_swept

MOST_TRIALS = 10_000


@dataclass(frozen=True)
class Sweep:
    """A sweep that can be run: what varies over what design, and how points are found."""

    design: Design
    swept: tuple[Swept, ...]
    learn: tuple[str, ...] = ()
    kind: Kind | None = None
    trials: int = 0
    seed: int = 0
    one_at_a_time: bool = False
    points: tuple[Point, ...] = ()  # none of a search, which finds them

    @property
    def cost(self) -> Plan:
        """A plan as large as the sweep's; of a search, with points that are merely drawn."""
        points = self.points or drawn(self.swept, self.learn, self.trials)
        return self.design.plan(once([*points, self.reference]))

    @property
    def reference(self) -> Point:
        """The defaults, which are trained as well."""
        return reference(self.swept, self.one_at_a_time)

    @property
    def study(self) -> str:
        """Name of a search's study: rule, preset, knobs, and a hash of all that matters to it."""
        design = self.design
        fields = [asdict(design.preset), design.seeds, design.precision, design.rule.rule_hash]
        fields += [design.rates] if design.rates else []
        fields += [[asdict(each) for each in self.swept], self.learn, self.kind, self.seed]
        digest = hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()[:8]
        names = ",".join(each.short for each in self.swept)
        return f"{design.rule.name} {design.preset.name} {names} {self.kind} {digest}"


def plan_sweep(
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
    search: Kind | None = None,
    trials: int | None = None,
    search_seed: int = 0,
    heads: int | None = None,
    precision: str | None = None,
    device: str = "cpu",
    large: bool = False,
) -> Sweep:
    """What `sweep` would do, without training. Arguments as there."""
    _check_search(search, trials, search_seed)
    if one_at_a_time and (search is not None or learn):
        raise ArcherError(
            "--one-at-a-time takes neither --search nor --learn: give learned as a value of --set"
        )
    if rates_from is None and rates_of != "delta":
        raise ArcherError("--rates-of is of --rates-from: say where the rates are to be found")
    if rates_from is not None and (lrs or weight_decays):
        raise ArcherError("--rates-from gives lr and weight decay: leave out the others")
    set, learn, tasks = _listed(set), _listed(learn), None if tasks is None else _listed(tasks)
    graph = contender(rule, device)
    if chunk_sizes and is_peer(graph.name):
        raise ArcherError(f"{graph.name} has no chunks: leave out --chunk-size")
    chosen = find_preset(preset) if isinstance(preset, str) else preset
    chosen = _with_rates(chosen.only(tasks), lrs, weight_decays)
    if heads is not None:
        chosen = replace(chosen, heads=heads)
    swept = read_swept(
        graph,
        set,
        learn,
        chunk_sizes,
        chosen.chunk_size,
        search=search is not None,
        head_size=chosen.dim // max(1, chosen.heads),  # no heads are refused below
    )
    on_gpu = device == "cuda"
    exact = precision or ("bf16" if on_gpu else "fp32")
    rates_of = "" if rates_from is None else rates_of
    found = () if rates_from is None else best_rates(rates_from, [rates_of], chosen)
    rates = tuple(rate for each in found for rate in each.rates)
    design = Design(graph, chosen, seeds, exact, together=on_gpu, rates=rates, rates_of=rates_of)
    made = Sweep(design, swept, tuple(learn), search, trials or 0, search_seed, one_at_a_time)
    if search is None:
        most = None if large else MOST_POINTS
        points = axes(swept) if one_at_a_time else grid(swept, learn, most)
        made = replace(made, points=tuple(points))
    design.plan([made.reference])  # refuses what no plan can be made of
    return made


def _listed(names: Sequence[str]) -> Sequence[str]:
    """One name alone means a list of it."""
    return [names] if isinstance(names, str) else names


def _check_search(search: str | None, trials: int | None, seed: int) -> None:
    if search not in (None, "random", "tpe"):
        raise ArcherError(f"unknown search {search!r}: use random or tpe, or none for the grid")
    if search is None and trials is not None:
        raise ArcherError("--trials is of a search: give --search tpe or --search random as well")
    if search is None and seed != 0:
        raise ArcherError("--search-seed is of a search: a grid has no choices of its own")
    if search is not None and trials is None:
        raise ArcherError(f"--search {search} needs --trials: how many points to try")
    if trials is not None and not 1 <= trials <= MOST_TRIALS:
        raise ArcherError(f"--trials {trials}: use 1 to {MOST_TRIALS}")


def _with_rates(
    preset: Preset, lrs: Sequence[float] | None, weight_decays: Sequence[float] | None
) -> Preset:
    """The preset with another lr x weight-decay grid. Raises ArcherError for a bad one."""
    for name, rates in (("lr", lrs), ("weight-decay", weight_decays)):
        low = "more than 0" if name == "lr" else "0 or more"
        for rate in rates or ():
            if not (rate > 0 or (rate == 0 and name != "lr")) or math.isinf(rate):
                raise ArcherError(f"--{name} {rate:g}: it must be {low}")
    if lrs:
        preset = replace(preset, lrs=tuple(dict.fromkeys(lrs)))
    if weight_decays:
        preset = replace(preset, weight_decays=tuple(dict.fromkeys(weight_decays)))
    return preset
