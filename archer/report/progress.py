"""Live progress of a benchmark: what runs, how far, how fast, how long still, and the best yet."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column
from rich.text import Text

from archer.mad.plan import Plan
from archer.mad.runner import Event
from archer.report.sections import duration
from archer.report.tally import Tally, rate
from archer.train.results import Progress as Position

Show = Callable[[Event], None]
BESIDE_LABEL = 66  # columns of the bar, the note and the times
EVERY_SECONDS = 60.0  # a log gets a line on how far everything is


@contextmanager
def watch(plan: Plan, enabled: bool = True) -> Iterator[Show]:
    """A function to call with every event. Bars on a terminal; else lines, fit for a log.

    rich shows no bars at all on a terminal that cannot move its cursor (TERM=dumb).
    """
    console = Console(stderr=True)
    if not enabled:
        yield lambda event: None
    elif console.is_terminal and not console.is_dumb_terminal:
        with _Board(console) as board:
            yield _Bars(plan, board).show
    else:
        yield _Lines(plan, console).show


class _Board(Progress):
    """Bars, and a line of text below them."""

    def __init__(self, console: Console) -> None:
        self.below = ""
        super().__init__(
            TextColumn("{task.description}", table_column=Column(no_wrap=True)),
            BarColumn(bar_width=16),
            TextColumn("{task.fields[note]}", table_column=Column(no_wrap=True)),
            TimeElapsedColumn(table_column=Column(no_wrap=True)),
            TextColumn("left", table_column=Column(no_wrap=True)),
            TimeRemainingColumn(elapsed_when_finished=False, table_column=Column(no_wrap=True)),
            console=console,
            transient=True,
            speed_estimate_period=120,
        )

    def fitted(self, label: str) -> str:
        """Cut, so that the times stay whole."""
        room = max(12, self.console.width - BESIDE_LABEL)
        return label if len(label) <= room else label[: room - 1] + "…"

    def get_renderables(self) -> Iterable[RenderableType]:
        yield self.make_tasks_table(self.tasks)
        if self.below:
            yield Text(self.below)


class _Bars:
    """One bar for everything, measured in tokens, and one per worker."""

    def __init__(self, plan: Plan, board: _Board) -> None:
        self.plan, self.board, self.tally = plan, board, Tally(plan)
        self.overall = board.add_task("all trials", total=1.0, note=self.note())
        self.rows: dict[int, TaskID] = {}

    def show(self, event: Event) -> None:
        self.tally.add(event)
        if event.kind == "began":
            if event.worker in self.rows:
                self.board.remove_task(self.rows[event.worker])
            label = self.board.fitted(self.plan.populations[event.index].label)
            self.rows[event.worker] = self.board.add_task(label, total=1.0, note="starting")
        elif event.progress:
            at = event.progress
            note = f"epoch {at.epoch}/{at.epochs}, {members(at)}"
            self.board.update(self.rows[event.worker], completed=at.step / at.steps, note=note)
        elif event.kind in ("results", "failed"):
            note = "done" if event.kind == "results" else "failed"
            self.board.update(self.rows[event.worker], completed=1.0, note=note)
        self.board.below = self.below()
        self.board.update(self.overall, completed=self.tally.share, note=self.note())

    def note(self) -> str:
        return f"{self.tally.done}/{self.tally.total}"

    def below(self) -> str:
        """What a bar has no room for."""
        counts = (self.tally.counts(), rate(self.tally.tokens_per_s))
        lines = (", ".join(part for part in counts if part), self.tally.leaders())
        return "\n".join(line for line in lines if line)


def members(at: Position) -> str:
    """ "24/30 members (16 now)": those that have not ended, and those that train."""
    now = f" ({at.seated} now)" if 0 < at.seated < at.active else ""
    return f"{at.active}/{at.members} members{now}"


class _Lines:
    """A line per population that is done, and one a minute on everything."""

    def __init__(
        self, plan: Plan, console: Console, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.plan, self.console, self.clock = plan, console, clock
        self.tally, self.ended = Tally(plan), 0
        self.began = self.said = clock()

    def show(self, event: Event) -> None:
        self.tally.add(event)
        if event.kind in ("results", "failed"):
            self.ended += 1
            head = f"[{self.ended}/{len(self.plan.populations)}]"
            self.say(f"{head} {self.plan.populations[event.index].label}: {self.outcome(event)}")
        elif self.clock() - self.said >= EVERY_SECONDS:
            self.said = self.clock()
            self.say(self.state())

    def outcome(self, event: Event) -> str:
        """How a population ended."""
        if event.kind == "failed":
            return f"failed: {event.reason}"
        split = self.tally.split
        scores = [getattr(r.best, split).accuracy for r in event.results if r.best]
        best = f"{split} accuracy up to {max(scores):.3f}, " if scores else "diverged, "
        return best + f"{sum(r.seconds for r in event.results):.1f} s"

    def state(self) -> str:
        """Counts, speed, time left, the best so far."""
        tally, passed = self.tally, self.clock() - self.began
        left = f"{duration(passed * (1 / tally.share - 1))} left" if tally.share > 0 else ""
        parts = (tally.counts(), rate(tally.tokens_per_s), left, tally.leaders())
        return "; ".join(part for part in parts if part)

    def say(self, text: str) -> None:
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)
