"""Where one member of a population stands, and what the end of an epoch means to it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from archer.train.reading import stop_epoch
from archer.train.regime import Regime
from archer.train.results import EpochMetrics, MemberResult, SplitMetrics


@dataclass
class Course:
    """One member's way through its epochs."""

    batches: int  # of an epoch
    result: MemberResult = field(default_factory=MemberResult)
    epoch: int = 1
    done: int = 0  # batches of this epoch
    kept: int | None = None  # the epoch of its best parameters
    ended: bool = False

    @property
    def left(self) -> int:
        """Batches left of this epoch."""
        return self.batches - self.done

    def end_epoch(self, metrics: EpochMetrics, regime: Regime) -> bool:
        """Records an epoch, ends the member if it is time; whether this is its best epoch."""
        result, select = self.result, regime.select
        limit = regime.stop_accuracy
        read = stop_epoch(result.history, select, limit)  # nothing after it is chosen
        result.history.append(metrics)
        result.steps += self.batches
        if not metrics.finite:
            result.status, self.ended = "diverged", True
            return False
        if all(stop_epoch(result.history, split, limit) for split in ("validation", "test")):
            result.status, self.ended = "stopped", True
        elif self.epoch >= regime.epochs:
            self.ended = True
        now: SplitMetrics = getattr(metrics, select)
        best = result.best
        if not read and (best is None or now.perplexity < getattr(best, select).perplexity):
            result.best_epoch = self.kept = metrics.epoch
            return True
        return False


def epoch_metrics(epoch: int, row: Sequence[float]) -> EpochMetrics:
    """row: training loss, then the four scores of validation and of test (`evaluate.summary`)."""
    return EpochMetrics(epoch, row[0], SplitMetrics(*row[1:5]), SplitMetrics(*row[5:9]))
