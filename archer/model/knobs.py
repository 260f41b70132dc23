"""The knobs of one mixer: fixed numbers, one per member, or learned between their bounds.

Legend: P members, B batch, H heads.
"""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from archer.errors import ArcherError
from archer.rules.graph import KnobSpec, RuleGraph
from archer.rules.peer import Contender

LOGIT = "logit_"  # a parameter of this prefix is a learned knob's
KnobValues = Mapping[str, float]


def complete(rule: Contender, given: KnobValues) -> dict[str, float]:
    """Every knob of the rule: the given values, defaults for the rest.

    Raises ArcherError for a knob that the rule does not have or a value outside its bounds.
    """
    specs = {spec.name: spec for spec in rule.knobs}
    for name, value in given.items():
        if name not in specs:
            known = ", ".join(specs) or "none"
            raise ArcherError(f"rule {rule.name} has no knob {name!r}; it has: {known}")
        if not specs[name].low <= value <= specs[name].high:
            raise ArcherError(
                f"{rule.name}.{name}={value:g} is out of bounds; "
                f"choose a value in [{specs[name].low:g}, {specs[name].high:g}]"
            )
    return {name: float(given.get(name, spec.default)) for name, spec in specs.items()}


def learned_names(rule: Contender, learn: Sequence[str]) -> tuple[str, ...]:
    """Knobs to train, in the rule's order: those it declares so and those named in `learn`.

    Raises ArcherError for a knob that the rule does not have.
    """
    names = [spec.name for spec in rule.knobs]
    for name in learn:
        if name not in names:
            known = ", ".join(names) or "none"
            raise ArcherError(f"rule {rule.name} has no knob {name!r} to learn; it has: {known}")
    return tuple(spec.name for spec in rule.knobs if spec.learn or spec.name in learn)


def swept_names(rows: Sequence[KnobValues]) -> tuple[str, ...]:
    """Knobs whose values are not the same in every row."""
    return tuple(name for name in rows[0] if len({row[name] for row in rows}) > 1)


def to_logit(spec: KnobSpec, value: float) -> float:
    """Where a learned knob starts. Raises ArcherError on a bound, where no gradient flows."""
    low, high, at = spec.low, spec.high, value
    if spec.log:
        low, high, at = math.log(low), math.log(high), math.log(at)
    if not low < at < high:
        raise ArcherError(
            f"knob {spec.name} cannot be learned from its bound {value:g}; "
            f"start it strictly between {spec.low:g} and {spec.high:g}"
        )
    return math.log((at - low) / (high - at))


def from_logit(spec: KnobSpec, logit: Tensor) -> Tensor:
    """Maps any logit into the knob's bounds, on a log scale if the knob says so."""
    if spec.log:
        low, high = math.log(spec.low), math.log(spec.high)
        return (low + (high - low) * logit.sigmoid()).exp()
    return spec.low + (spec.high - spec.low) * logit.sigmoid()


class Knobs(nn.Module):
    """The knobs of one mixer, as the memory wants them.

    rows: one complete mapping per member (a single one for an ordinary module).
    learn: names of the learned ones; their logits are [P, H], or [H].
    sweep: names of those that differ between members; the rest is the same for all.
    """

    def __init__(
        self,
        rule: RuleGraph,
        heads: int,
        members: int | None,
        rows: Sequence[KnobValues],
        learn: Sequence[str],
        sweep: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self.specs = {spec.name: spec for spec in rule.knobs}
        self.fixed: dict[str, float] = {}
        self.swept: list[str] = []
        self.learn = tuple(learn)
        for name, spec in self.specs.items():
            column = [row[name] for row in rows]
            if name in learn:
                start = torch.tensor([to_logit(spec, value) for value in column])
                start = start.unsqueeze(-1).repeat(1, heads)
                logit = nn.Parameter(start[0] if members is None else start)
                self.register_parameter(f"{LOGIT}{name}", logit)
            elif name in sweep:
                self.swept.append(name)
                self.register_buffer(_swept(name), torch.tensor(column).unsqueeze(-1))
            else:
                self.fixed[name] = column[0]

    def forward(self, batch: int) -> dict[str, float | Tensor]:
        """Every knob as a number, or as [P * B, 1 or H]."""
        values: dict[str, float | Tensor] = dict(self.fixed)
        for name in self.swept:
            values[name] = _repeated(self.get_buffer(_swept(name)), batch)
        for name, value in self.learned().items():
            values[name] = _repeated(value.reshape(-1, value.shape[-1]), batch)
        return values

    def learned(self) -> dict[str, Tensor]:
        """Present values of the learned knobs, [P, H] or [H] each."""
        return {
            name: from_logit(self.specs[name], self.get_parameter(f"{LOGIT}{name}"))
            for name in self.learn
        }


def _repeated(value: Tensor, batch: int) -> Tensor:
    """[P, H] -> [P * batch, H]."""
    return value.unsqueeze(1).expand(-1, batch, -1).flatten(0, 1)


def _swept(name: str) -> str:
    return f"swept_{name}"
