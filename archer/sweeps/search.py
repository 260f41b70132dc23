"""Random and TPE search over the knobs of a rule, through Optuna (Akiba et al. 2019).

TPE: Bergstra et al. 2011, with a constant liar for the suggestions that are still being trained.
"""

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from archer.errors import ArcherError
from archer.store import Store
from archer.sweeps.points import Point, point
from archer.sweeps.values import CHUNK_SIZE, Swept

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial

Kind = Literal["random", "tpe"]
BATCH = 8  # suggestions at a time: they are trained side by side; the first batch is random
DIGITS = 6  # of suggested numbers

Evaluate = Callable[[list[Point]], list[float]]


def search(
    kind: Kind,
    swept: Sequence[Swept],
    learn: Sequence[str],
    trials: int,
    evaluate: Evaluate,
    *,
    name: str,
    seed: int = 0,
    store: Store | None = None,
) -> list[Point]:
    """The points of a search that looks for the highest value of `evaluate` (NaN: no value).

    The study of this name is kept in the store, if any, and goes on from what it holds. A
    suggestion depends on `seed`, on its number and on the values of whole batches before it, so a
    search that was killed goes on to the same points. Raises ArcherError without Optuna.
    """
    found: list[Point] = []
    with _quietly():
        study = _study(name, store)
        space = {each.name: _distribution(each) for each in swept}
        while len(found) < trials:
            count = min(BATCH, trials - len(found))
            numbers = range(len(found), len(found) + count)
            batch = [_suggestion(study, n, kind, space, seed) for n in numbers]
            points = [_point({n: values[n] for n in space}, learn) for values in batch]
            for number, value in zip(numbers, evaluate(points), strict=True):
                _tell(study, number, value)
            found += points
    return found


def drawn(swept: Sequence[Swept], learn: Sequence[str], trials: int) -> list[Point]:
    """Points of a random search, to say what a search of as many would cost."""
    return search("random", swept, learn, trials, lambda points: [0.0] * len(points), name="cost")


@contextmanager
def _quietly() -> Iterator[None]:
    """Without Optuna's log lines, and its warnings that something is experimental."""
    try:
        import optuna
    except ImportError as error:
        raise ArcherError("a search needs Optuna: pip install 'archer[search]'") from error
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(before)


def _study(name: str, store: Store | None) -> "Study":
    import optuna

    if store is None:
        return optuna.create_study(direction="maximize")
    from archer.sweeps.journal import StoreJournal

    storage = optuna.storages.JournalStorage(StoreJournal(store))
    return optuna.create_study(
        study_name=name, storage=storage, direction="maximize", load_if_exists=True
    )


def _distribution(swept: Swept) -> "BaseDistribution":
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    if swept.values:
        return CategoricalDistribution(swept.values)
    return FloatDistribution(swept.low, swept.high, log=swept.log)


def _suggestion(
    study: "Study", number: int, kind: Kind, space: dict[str, Any], seed: int
) -> dict[str, Any]:
    """Values by swept name of the study's trial of that number, suggested now if it is new."""
    import optuna

    known = study.trials
    if number < len(known):
        return known[number].params
    # On a copy, then entered whole: a search killed in between has no half of a suggestion.
    copy = optuna.create_study(direction="maximize", sampler=_sampler(kind, seed, number))
    copy.add_trials(_seen(known, number))
    values = {name: _rounded(value, space[name]) for name, value in copy.ask(space).params.items()}
    study.add_trial(_running(values, space))
    return values


def _seen(known: list["FrozenTrial"], number: int) -> list["FrozenTrial"]:
    """The trials before that number: whole batches with their values, its own batch without.

    A search that ended within this batch has values of some of it; one that never stopped had not.
    """
    whole = number // BATCH * BATCH
    return [*known[:whole], *(_running(t.params, t.distributions) for t in known[whole:])]


def _running(values: dict[str, Any], space: dict[str, Any]) -> "FrozenTrial":
    import optuna

    state = optuna.trial.TrialState.RUNNING
    return optuna.trial.create_trial(state=state, params=values, distributions=space)


def _sampler(kind: Kind, seed: int, number: int) -> "BaseSampler":
    import optuna

    own = int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
    if kind == "random":
        return optuna.samplers.RandomSampler(seed=own)
    return optuna.samplers.TPESampler(seed=own, n_startup_trials=BATCH, constant_liar=True)


def _rounded(value: Any, distribution: Any) -> Any:
    """A suggested number with few digits, still between its ends."""
    if not hasattr(distribution, "low"):
        return value
    few = float(f"{value:.{DIGITS}g}")
    return min(max(few, distribution.low), distribution.high)


def _point(values: dict[str, Any], learn: Sequence[str]) -> Point:
    if CHUNK_SIZE in values:
        values = values | {CHUNK_SIZE: int(values[CHUNK_SIZE])}
    return point(values, learn)


def _tell(study: "Study", number: int, value: float) -> None:
    import optuna

    if math.isnan(value):
        study.tell(number, state=optuna.trial.TrialState.FAIL, skip_if_finished=True)
    else:
        study.tell(number, value, skip_if_finished=True)
