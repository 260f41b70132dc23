"""What of a plan is still to be trained, in which populations."""

from collections.abc import Collection

from archer.mad.plan import Plan, Population
from archer.mad.trial import Trial
from archer.store.run import ENDED
from archer.store.store import Store


def remaining(plan: Plan, store: Store, skip: Collection[str] = ()) -> tuple[Population, ...]:
    """Populations of the plan's trials that have not ended, without those in `skip`.

    A recorded population of which anything is left is followed as it is, the oldest first, with
    those of its members marked that have ended: so that resuming trains what would have been
    trained. What else is left is grouped as the plan has it, and recorded. A population that
    failed is grouped anew: it may have been too large.
    """
    wanted = {t.id: t for p in plan.populations for t in p.trials if t.id not in skip}
    states = {id: state for id, (state, _) in store.states(list(wanted)).items()}
    ended = {id for id, state in states.items() if state in ENDED}
    failed = {id for id, state in states.items() if state == "failed"}
    left = wanted.keys() - ended
    found = []
    for members in store.populations():
        mine = left.intersection(members) - failed
        if not mine or not ended.union(mine).issuperset(members):
            continue
        trials = tuple(wanted[id] for id in members)
        if _trains_as_one(trials):
            places = (place for place, id in enumerate(members) if id in ended)
            found.append(Population(trials, tuple(places)))
            left -= mine
    for population in plan.populations:
        if rest := tuple(trial for trial in population.trials if trial.id in left):
            found.append(Population(rest))
    store.keep(found)
    return tuple(found)


def _trains_as_one(trials: tuple[Trial, ...]) -> bool:
    """Ids do not see names: a population may be known from rules or knobs that bore others."""
    return len({(trial.rule, trial.learn) for trial in trials}) == 1
