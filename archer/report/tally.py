"""What a running benchmark has come to: trials done, running and failed, speed, best so far."""

from archer.mad.best import Best
from archer.mad.plan import Plan, Population
from archer.mad.runner import Event
from archer.mad.trial import SELECTS
from archer.train.results import MemberResult, Progress


class Tally:
    """Counts events of a plan's populations; trials that none of them is to train were found done.

    tokens: of all populations. `add` takes every event in the order in which they come.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.split = SELECTS[plan.protocol]
        self.best = Best()
        waiting = {t.id for population in plan.populations for t in population.left.values()}
        every = {row.trial.id for row in plan.rows} | waiting
        self.total = len(every)
        self._done = every - waiting
        self._failed: set[str] = set()
        self._at: dict[int, Progress] = {}
        self._tokens = [float(population.training_tokens) for population in plan.populations]
        self._passed = [0.0] * len(self._tokens)

    def add(self, event: Event) -> None:
        """Take note of an event."""
        population = self.plan.populations[event.index]
        if event.kind == "ended":
            for place, result in event.ended:
                self._end(population, place, result)
        elif event.progress:
            self._at[event.index] = event.progress
            share = event.progress.step / max(1, event.progress.steps)
            self._passed[event.index] = share * self._tokens[event.index]
        elif event.kind in ("results", "failed"):
            self._close(event, population)

    def _end(self, population: Population, place: int, result: MemberResult) -> None:
        trial = population.trials[place]
        self._done.add(trial.id)
        if result.best:
            accuracy = getattr(result.best, self.split).accuracy
            self.best.add(trial.rule.name, trial.setting, accuracy)

    def _close(self, event: Event, population: Population) -> None:
        self._at.pop(event.index, None)
        self._passed[event.index] = self._tokens[event.index]
        if event.kind == "failed":
            self._failed |= {trial.id for trial in population.left.values()} - self._done

    @property
    def done(self) -> int:
        """Trials that have ended, here or before."""
        return len(self._done)

    @property
    def failed(self) -> int:
        return len(self._failed)

    @property
    def running(self) -> int:
        """Members that train now."""
        return sum(at.seated or at.active for at in self._at.values())

    @property
    def tokens_per_s(self) -> float:
        """Trained tokens per second, of all that runs side by side."""
        return sum(at.tokens_per_s for at in self._at.values())

    @property
    def share(self) -> float:
        """Of the tokens of all populations, from 0 to 1; an early stop counts as done."""
        return sum(self._passed) / max(1.0, sum(self._tokens))

    def counts(self) -> str:
        """ "312 of 396 trials done, 24 running, 2 failed"."""
        return f"{self.done} of {self.total} trials done, {self.running} running, " + (
            f"{self.failed} failed"
        )

    def leaders(self) -> str:
        """ "best validation accuracy so far: Compress 0.442, Memorize 0.403"; "" before the first.

        On the split that the protocol selects by: a look at test data would be a choice by it.
        """
        best = ", ".join(f"{column} {value:.3f}" for column, value in self.best.by_task().items())
        return f"best {self.split} accuracy so far: {best}" if best else ""


def rate(tokens_per_s: float) -> str:
    """ "18.8 M tokens/s", "640 k tokens/s" or "" where it is not known."""
    if tokens_per_s <= 0:
        return ""
    millions = tokens_per_s / 1e6
    return f"{millions:.1f} M tokens/s" if millions >= 1 else f"{millions * 1e3:.0f} k tokens/s"
