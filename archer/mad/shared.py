"""Which rows of a table show one training."""

from collections.abc import Sequence

from archer.mad.trial import Trial
from archer.rules.load import builtin_graph


def shared_with(rows: Sequence[tuple[str, Trial]], own_rates: bool = False) -> list[str | None]:
    """Per row (rule, trial), the rule it is mathematically the same as: delta, else the first one.

    None where there is no other. own_rates: each rule may have another lr and weight decay. Then
    the same function is not yet the same training, and a rule is `delta` only where delta is there
    at its rates.
    """
    owners: dict[str, str] = {}
    for rule, trial in sorted(rows, key=lambda row: row[0] != "delta"):
        owners.setdefault(trial.id, rule)
    delta = builtin_graph("delta").rule_hash
    found = [
        "delta" if trial.rule.rule_hash == delta and not own_rates else owners[trial.id]
        for _, trial in rows
    ]
    return [None if rule == other else other for (rule, _), other in zip(rows, found, strict=True)]
