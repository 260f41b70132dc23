"""Which of the plans of a store are of one table. Searches and sweeps are of none."""

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from archer.errors import ArcherError
from archer.mad.presets import SWEPT
from archer.store.searched import asked_by_searches
from archer.store.store import Store

if TYPE_CHECKING:
    from archer.record.gather import Choice

Plans = list[dict[str, Any]]
ONE = ("preset", "protocol")  # of which a table holds one


def plans_of(store: Store, choice: "Choice") -> Plans:
    """The plans to take, in the order in which they were first asked for.

    Raises ArcherError for runs that are of no table, where nothing is left, and for several.
    """
    plans, runs = {plan["id"]: plan for plan in store.plans()}, store.runs()
    others = _others(store, plans.values())
    _check_runs(store, choice, runs, others)
    runs = [run for run in runs if run["plan"] not in others]
    wanted = [run["plan"] for run in runs if not choice.runs or run["id"] in choice.runs]
    found = [plans[id] for id in dict.fromkeys(wanted)]
    if not found:
        raise ArcherError(_nothing(store, set(others.values())))
    for name in ONE:
        found = _of(store, found, name, getattr(choice, name))
    for name in ONE:
        there = _names(found, name)
        if len(there) > 1:
            raise ArcherError(
                f"{store.where} holds {name}s {' and '.join(there)}, and one table holds one: "
                f"choose with --{name}"
            )
    return found


def _others(store: Store, plans: Collection[Mapping[str, Any]]) -> dict[str, str]:
    """ "search" or "sweep" by the id of a plan that is of one."""
    swept = {plan["id"]: "sweep" for plan in plans if plan["preset"].endswith(SWEPT)}
    return swept | dict.fromkeys(asked_by_searches(store), "search")


def _check_runs(
    store: Store, choice: "Choice", runs: Sequence[Mapping[str, Any]], others: Mapping[str, str]
) -> None:
    unknown = [run for run in choice.runs if run not in {each["id"] for each in runs}]
    if unknown:
        raise ArcherError(f"{store.where} has no run {unknown[0]}; `archer status` lists its runs")
    for run in runs:
        if run["id"] in choice.runs and run["plan"] in others:
            raise ArcherError(
                f"run {run['id']} is a {others[run['plan']]}'s: no table is made of it"
            )


def _nothing(store: Store, kinds: Collection[str]) -> str:
    there = " and ".join(f"a {kind}" for kind in sorted(kinds))
    only = f", but {there}, of which no table is made" if there else " yet"
    return f"{store.where} holds no benchmark{only}: run `archer bench` first"


def _of(store: Store, plans: Plans, name: str, asked: str | None) -> Plans:
    """Those of the preset or protocol asked for. Raises ArcherError where there are none."""
    found = [plan for plan in plans if asked in (None, plan[name])]
    if found:
        return found
    there = (
        f"{store.where} holds nothing of {name} {asked}: it has {', '.join(_names(plans, name))}"
    )
    if name == "preset":
        raise ArcherError(there)
    if all(plan["rates"] for plan in plans):  # one training per setting: no grid to choose from
        raise ArcherError(
            f"{there}, at rates chosen beforehand, and a score of {asked} is the best of a grid: "
            f"leave out --protocol, or run bench with --protocol {asked} and without --rates-from"
        )
    raise ArcherError(
        f"{there}; the same bench with --protocol {asked} makes it of the same trainings"
    )


def _names(plans: Plans, name: str) -> list[str]:
    return list(dict.fromkeys(plan[name] for plan in plans))
