"""What a rule costs: seconds, and memories beside S."""

from dataclasses import dataclass

from archer.report.study import Study
from archer.rules.load import BUILTIN, load_rule


@dataclass(frozen=True)
class Cost:
    """seconds: of all its own trainings. per_step: milliseconds of one member's step, mean.

    ratio: per_step over the baseline's, on the settings both trained; None where there are none,
    and in the baseline's row. slots: extra memories shaped like S; None for a rule whose file is
    not at hand.
    """

    rule: str
    seconds: float
    trials: int
    per_step: float | None
    ratio: float | None
    slots: int | None


def costs(study: Study) -> list[Cost]:
    """One per rule, in the table's order.

    A trial that is identical to another rule's was not trained, and costs nothing here.
    """
    own = study.trials[study.trials["identical_to"].isna() & study.trials["seconds"].notna()]
    own = own[own["steps"] > 0] if "steps" in own else own.iloc[:0]
    steps = own.assign(per_step=1000 * own["seconds"] / own["steps"])
    by_setting = steps.groupby(["rule", "setting"])["per_step"].mean()
    found = []
    for rule in study.rules:
        mine = steps[steps["rule"] == rule]
        ratio = None
        if study.baseline not in (None, rule) and {rule, study.baseline} <= set(steps["rule"]):
            quotient = (by_setting[rule] / by_setting[study.baseline]).dropna()
            ratio = float(quotient.mean()) if len(quotient) else None
        found.append(
            Cost(
                rule,
                float(mine["seconds"].sum()),
                len(mine),
                float(mine["per_step"].mean()) if len(mine) else None,
                ratio,
                len(load_rule(rule).slots) if rule in BUILTIN else None,
            )
        )
    return found
