"""Live progress of a benchmark: what runs, how far, how long still."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from archer.mad.plan import Plan
from archer.mad.runner import Event

Show = Callable[[Event], None]


@contextmanager
def watch(plan: Plan, enabled: bool = True) -> Iterator[Show]:
    """A function to call with every event. Bars on a terminal, one line per population else."""
    console = Console(stderr=True)
    if not enabled:
        yield lambda event: None
    elif console.is_terminal:
        with _bars(console) as bars:
            yield _Bars(plan, bars).show
    else:
        yield _Lines(plan, console).show


def _bars(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[note]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(elapsed_when_finished=False),
        console=console,
        transient=True,
        speed_estimate_period=120,
    )


class _Bars:
    """One bar for everything, measured in tokens, and one per worker."""

    def __init__(self, plan: Plan, bars: Progress) -> None:
        self.plan, self.bars = plan, bars
        self.tokens = [population.training_tokens for population in plan.populations]
        self.done = [0.0] * len(self.tokens)
        self.ended = 0
        self.failed = 0
        self.overall = bars.add_task("all populations", total=sum(self.tokens), note=self.note())
        self.rows: dict[int, TaskID] = {}

    def note(self) -> str:
        failed = f", {self.failed} failed" if self.failed else ""
        return f"{self.ended}/{len(self.tokens)}{failed}"

    def show(self, event: Event) -> None:
        label = self.plan.populations[event.index].label
        if event.kind == "began":
            if event.worker in self.rows:
                self.bars.remove_task(self.rows[event.worker])
            self.rows[event.worker] = self.bars.add_task(label, total=1.0, note="starting")
        elif event.progress:
            at = event.progress
            share = at.step / at.steps
            self.done[event.index] = share * self.tokens[event.index]
            note = f"epoch {at.epoch}/{at.epochs}, {at.active}/{at.members} members"
            self.bars.update(self.rows[event.worker], completed=share, note=note)
        else:
            self.ended += 1
            self.failed += event.kind == "failed"
            self.done[event.index] = self.tokens[event.index]
            self.bars.update(self.rows[event.worker], completed=1.0, note=event.kind)
        self.bars.update(self.overall, completed=sum(self.done), note=self.note())


class _Lines:
    """A plain line per population, for logs."""

    def __init__(self, plan: Plan, console: Console) -> None:
        self.plan, self.console, self.ended = plan, console, 0

    def show(self, event: Event) -> None:
        if event.kind not in ("results", "failed"):
            return
        self.ended += 1
        head = f"[{self.ended}/{len(self.plan.populations)}]"
        label = self.plan.populations[event.index].label
        if event.kind == "failed":
            tail = f"failed: {event.reason}"
        else:
            scores = [r.best.test.accuracy for r in event.results if r.best]
            best = f"accuracy up to {max(scores):.3f}, " if scores else "diverged, "
            tail = best + f"{sum(r.seconds for r in event.results):.1f} s"
        self.console.print(f"{head} {label}: {tail}", highlight=False, markup=False, soft_wrap=True)
