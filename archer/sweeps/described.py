"""A sweep as plain data: in its store, and in its record."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from typing import Any

from archer.mad.presets import Preset
from archer.mad.settings import Setting
from archer.rules.peer import contender_from_json
from archer.sweeps.design import Design
from archer.sweeps.plan import Sweep
from archer.sweeps.points import Point
from archer.sweeps.values import Swept


def sweep_to_json(sweep: Sweep) -> dict[str, Any]:
    """Everything but the points of a search, which are found as it goes."""
    fields = {name: value for name, value in vars(sweep).items() if name not in ("design", "swept")}
    design = {name: getattr(sweep.design, name) for name in DESIGN}
    found = {
        "rule": sweep.design.rule.to_json(),
        "design": design | {"preset": asdict(sweep.design.preset)},
        "swept": [asdict(each) for each in sweep.swept],
        **fields,
        "points": points_to_json(sweep.points),
    }
    plain: dict[str, Any] = json.loads(json.dumps(found))
    return plain


DESIGN = ("seeds", "precision", "rates", "rates_of")


def sweep_from_json(data: Mapping[str, Any]) -> Sweep:
    """The sweep that `sweep_to_json` told of; its rule graph is validated again."""
    design = data["design"]
    preset = dict(design["preset"])
    preset |= {name: tuple(preset[name]) for name in ("lrs", "weight_decays")}
    preset["settings"] = tuple(Setting(**setting) for setting in preset["settings"])
    return Sweep(
        Design(
            contender_from_json(data["rule"]),
            Preset(**preset),
            design["seeds"],
            design["precision"],
            together=False,
            rates=tuple((name, lr, decay) for name, lr, decay in design["rates"]),
            rates_of=design["rates_of"],
        ),
        tuple(replace(Swept(**each), values=tuple(each["values"])) for each in data["swept"]),
        learn=tuple(data["learn"]),
        kind=data["kind"],
        trials=int(data["trials"]),
        seed=data["seed"],
        one_at_a_time=data["one_at_a_time"],
        points=points_from_json(data["points"]),
    )


def points_to_json(points: Iterable[Point]) -> list[dict[str, Any]]:
    return [asdict(point) for point in points]


def points_from_json(data: Iterable[Mapping[str, Any]]) -> tuple[Point, ...]:
    return tuple(
        Point(
            tuple((name, value) for name, value in each["values"]),
            tuple(each["learn"]),
            each["alone"],
        )
        for each in data
    )
