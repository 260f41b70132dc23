"""Training without worker processes."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from archer.mad import runner
from archer.mad.plan import Population
from archer.mad.pool import _longest_first
from archer.mad.room import Room
from archer.mad.work import Keep


class Here:
    """Takes the place of worker processes, each of which needs two seconds to import torch.

    Populations are trained in this process one after the other, in the order workers take them.
    """

    def __init__(
        self,
        populations: Sequence[Population],
        device: str,
        threads: int,
        keep: Keep,
        room: Room | None = None,
    ) -> None:
        self.populations, self.device, self.keep = populations, device, keep

    def open(self, workers: int) -> None:
        pass

    def events(self) -> Iterator[runner.Event]:
        for index, population in _longest_first(self.populations):
            for event in runner._run_here([population], self.device, self.keep):
                yield replace(event, index=index)

    def close(self) -> None:
        pass  # who stops reading events ends the training
