"""Plans of searches, told apart from those of benchmarks that share their store."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from archer.mad.plan import Plan
from archer.store.store import Store

NAMED = " (search)"  # at the end of a preset's name, in a store


def for_search(plan: Plan) -> Plan:
    """The plan, named so that no table takes what a search asked for as its own."""
    return replace(plan, preset=replace(plan.preset, name=plan.preset.name + NAMED))


def asked_by_searches(store: Store) -> set[str]:
    """Ids of the plans that only searches have asked for. Raises ArcherError as the store does."""
    wanted: dict[str, set[bool]] = {}
    for run in store.runs():
        wanted.setdefault(run["plan"], set()).add(_is_research(run))
    return {
        plan["id"]
        for plan in store.plans()
        if plan["preset"].endswith(NAMED) or wanted.get(plan["id"]) == {True}
    }


def _is_research(run: Mapping[str, Any]) -> bool:
    """By its command: stores of before plans were named have nothing else to tell by."""
    return bool(run["environment"]["command"][1:2] == ["research"])
