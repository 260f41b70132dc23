"""Rules of one's own in a report: what their authors wrote, their slots, knobs and expectations.

A result folder and a record hold each as rules/NAME.json; folders of before hold none, records of
before the graph without a text.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from archer.errors import ArcherError
from archer.mad.plan import Plan
from archer.report.record_file import read_json
from archer.rules.base import RuleError
from archer.rules.described import described, own_rules, rule_described
from archer.rules.graph import KnobSpec, RuleGraph
from archer.rules.load import BUILTIN
from archer.rules.peer import is_peer
from archer.rules.validate import is_plain_name

FOLDER = "rules"
UNTOLD = "Its equations are not in this report: what trained it did not keep its text."


@dataclass(frozen=True)
class OwnRule:
    """about: its text, None where nobody kept it. slots: None where that is not known."""

    about: str | None = None
    slots: int | None = None
    knobs: tuple[KnobSpec, ...] = ()
    expects: Mapping[str, str] = field(default_factory=dict)


def told_by_plan(plan: Plan) -> dict[str, OwnRule]:
    """By name, those of a plan, which has them whole."""
    return {name: _own(rule, whole=True) for name, rule in own_rules(plan.rules).items()}


def rule_files(plan: Plan) -> dict[str, str]:
    """What a result folder holds of a plan's own rules, by path in it."""
    return {
        f"{FOLDER}/{name}.json": json.dumps(described(rule), indent=1, ensure_ascii=False) + "\n"
        for name, rule in own_rules(plan.rules).items()
    }


def read_own_rules(folder: Path, rules: Iterable[object]) -> dict[str, OwnRule]:
    """By name, those of a folder's rules that are neither built in nor peers.

    Raises ArcherError for a file that is none of a rule.
    """
    names = [name for name in map(str, rules) if name not in BUILTIN and not is_peer(name)]
    return {name: _read(folder / FOLDER / f"{name}.json", name) for name in names}


def _read(path: Path, name: str) -> OwnRule:
    if not is_plain_name(name) or not path.is_file():
        return OwnRule()
    data = read_json(path)
    try:
        return _own(rule_described(data), whole=_is_whole(data))
    except RuleError as error:
        raise ArcherError(f"{path} is no rule's graph ({error.reason}): it is damaged") from None


def _own(rule: RuleGraph, *, whole: bool) -> OwnRule:
    slots = len(rule.slots) if whole or _writes(rule) else None
    return OwnRule(rule.about, slots, rule.knobs, dict(rule.expects))


def _is_whole(data: Mapping[str, Any]) -> bool:
    """Records of before held what acts on the longest sequences: on one chunk no slots do."""
    return "about" in data


def _writes(rule: RuleGraph) -> bool:
    """Whether it is more than what is left of a rule on a sequence of one chunk."""
    return not (rule.is_default("gate") and rule.is_default("write"))
