"""What of a plan is still to be trained, in which populations."""

from collections.abc import Collection

from archer.mad.plan import Plan, Population
from archer.mad.trial import Trial
from archer.store.run import ENDED
from archer.store.store import Store


def remaining(plan: Plan, store: Store, skip: Collection[str] = ()) -> tuple[Population, ...]:
    """Populations of the plan's trials that have not ended, without those in `skip`.

    A recorded population that waits as a whole is followed as it is, the oldest first, so that
    resuming trains what would have been trained; what is left is grouped as the plan has it, and
    recorded. A population that failed is grouped anew: it may have been too large.
    """
    wanted = {t.id: t for p in plan.populations for t in p.trials if t.id not in skip}
    states = store.states(list(wanted))
    open_ = {id: t for id, t in wanted.items() if states.get(id, ("waiting", ""))[0] not in ENDED}
    found = []
    for members in store.populations():
        waiting = all(id in open_ and states[id][0] != "failed" for id in members)
        trials = tuple(open_[id] for id in members) if waiting else ()
        if trials and _trains_as_one(trials):
            found.append(Population(trials))
            for id in members:
                del open_[id]
    for population in plan.populations:
        if left := tuple(trial for trial in population.trials if trial.id in open_):
            found.append(Population(left))
    store.keep(found)
    return tuple(found)


def _trains_as_one(trials: tuple[Trial, ...]) -> bool:
    """Ids do not see names: a population may be known from rules or knobs that bore others."""
    return len({(trial.rule, trial.learn) for trial in trials}) == 1
