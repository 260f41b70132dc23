"""What a rule costs: seconds, and memories beside S."""

from dataclasses import dataclass

from archer.mad.trained import trained
from archer.report.claims.details import seconds_per_step
from archer.report.study import Study
from archer.rules.load import BUILTIN, load_rule


@dataclass(frozen=True)
class Cost:
    """seconds: of all its own trainings. per_step: milliseconds of one member's step, all seconds
    over all steps, on the settings that every rule trained; None where there are none.

    ratio: per_step over the baseline's; None in the baseline's row. slots: extra memories shaped
    like S; None for a peer, and for a rule of one's own that nobody kept.
    """

    rule: str
    seconds: float
    trials: int
    per_step: float | None
    ratio: float | None
    slots: int | None


def costs(study: Study) -> list[Cost]:
    """One per rule, in the table's order.

    A trial that is identical to another's in the table was not trained, and costs nothing here.
    """
    own = trained(study.trials)
    own = own[own["seconds"].notna()]
    own = own[own["steps"] > 0] if "steps" in own else own.iloc[:0]
    per_step = seconds_per_step(own, "rule")
    base = per_step.get(study.baseline or "")
    found = []
    for rule in study.rules:
        mine = own[own["rule"] == rule]
        step = per_step.get(rule)
        found.append(
            Cost(
                rule,
                float(mine["seconds"].sum()),
                len(mine),
                None if step is None else 1000 * step,
                step / base if step and base and rule != study.baseline else None,
                _slots(study, rule),
            )
        )
    return found


def _slots(study: Study, rule: str) -> int | None:
    if rule in BUILTIN:
        return len(load_rule(rule).slots)
    own = study.own.get(rule)
    return None if own is None else own.slots
