"""Values and learned knobs that a user asks for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real

from archer.errors import ArcherError
from archer.mad.asked import is_number
from archer.model.knobs import to_logit
from archer.rules.graph import KnobSpec
from archer.rules.peer import Contender


@dataclass(frozen=True)
class Knobs:
    """What the user set: values and learned knobs, both by "rule.knob".

    A knob with a value is fixed there unless it is among the learned ones, which start there.
    """

    values: Mapping[str, float] = field(default_factory=dict)
    learn: Sequence[str] = ()

    def of(self, rule: Contender) -> tuple[dict[str, float], tuple[str, ...]]:
        """Values and learned names for one rule."""
        prefix = f"{rule.name}."
        values = {k.removeprefix(prefix): v for k, v in self.values.items() if k.startswith(prefix)}
        learn = tuple(k.removeprefix(prefix) for k in self.learn if k.startswith(prefix))
        return values, learn

    def check(self, rules: Sequence[Contender]) -> None:
        """Raises ArcherError for an unknown rule or knob, a value out of bounds or no number, or a
        bound to learn from."""
        for name in [*self.values, *self.learn]:
            spec = _knob(name, rules)
            value = self.values.get(name)
            if value is not None and not is_number(Real, value):
                raise ArcherError(f"{name}={value!r}: a knob's value is a number")
            if value is not None and not spec.low <= value <= spec.high:
                raise ArcherError(
                    f"{name}={value:g} is out of bounds: use a value in "
                    f"[{spec.low:g}, {spec.high:g}]"
                )
            if name in self.learn:
                to_logit(spec, spec.default if value is None else value)
        for rule in rules:
            for knob in rule.knobs:
                if knob.learn and f"{rule.name}.{knob.name}" not in self.values:
                    to_logit(knob, knob.default)


def _knob(name: str, rules: Sequence[Contender]) -> KnobSpec:
    rule_name, _, knob_name = name.partition(".")
    rule = next((rule for rule in rules if rule.name == rule_name), None)
    if rule is None or not knob_name:
        raise ArcherError(
            f"{name!r}: a knob is written rule.knob, where rule is one of those benchmarked "
            f"({', '.join(rule.name for rule in rules)})"
        )
    spec = next((spec for spec in rule.knobs if spec.name == knob_name), None)
    if spec is None:
        has = ", ".join(f"{rule.name}.{knob.name}" for knob in rule.knobs) or "no knobs"
        raise ArcherError(f"{name!r}: no such knob; {rule.name} has {has}")
    return spec
