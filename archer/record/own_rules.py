"""The rules of one's own in a table: what they are, as far as the store can tell."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from archer.errors import ArcherError
from archer.mad.plan import Row
from archer.rules.described import rule_described
from archer.rules.graph import RuleGraph
from archer.rules.load import row_name
from archer.rules.peer import Peer
from archer.store.environment import RULES

HOOKS = ("gate", "local", "write")


def own_rules_of(
    rows: Sequence[Row], runs: Iterable[Mapping[str, Any]], descriptions: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """By name, the JSON of each rule that is not built in.

    As the last of the runs that asked for it told of it: the whole rule with its text. Stores of
    before runs told have the graphs of trials: the largest of them, since on a sequence of one
    chunk parts of a rule fall away. Raises ArcherError where no rule that was told is all of what
    was trained under its name.
    """
    found = {}
    for name, own in _own(rows).items():
        told = [run["environment"][RULES][name] for run in runs if _tells(run, name)]
        fits = [_fit(rule_described(each), own) for each in told]
        fitting = [each for each, of in zip(told, fits, strict=True) if all(of)]
        if not fitting:
            _refuse_mixed(name, fits)
        trained = (descriptions[row.trial.id]["rule"] for row in own)
        found[name] = fitting[-1] if fitting else max(trained, key=_size)
    return found


def _own(rows: Sequence[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        if row_name(row.rule) == row.rule and not isinstance(row.trial.rule, Peer):
            found.setdefault(row.rule, []).append(row)
    return found


def _tells(run: Mapping[str, Any], name: str) -> bool:
    return name in run["environment"].get(RULES, {})


def _fit(rule: RuleGraph, rows: Sequence[Row]) -> list[bool]:
    """Per trial, whether it is of this rule."""
    lengths = {row.trial.setting.length for row in rows}
    acting = {length: rule.effective(length).rule_hash for length in lengths}
    return [acting[row.trial.setting.length] == row.trial.rule.rule_hash for row in rows]


def _refuse_mixed(name: str, fits: Sequence[Sequence[bool]]) -> None:
    """Raises ArcherError where every trial is of a rule that was told, and none has them all."""
    if fits and all(map(any, zip(*fits, strict=True))):
        raise ArcherError(
            f"{name} was run in two ways (its equations have changed), and one table holds one: "
            "choose runs with --runs; `archer status` lists them"
        )


def _size(graph: Mapping[str, Any]) -> int:
    return sum(len(graph[hook]["nodes"]) for hook in HOOKS)
