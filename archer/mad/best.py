"""The best accuracy so far, while a benchmark is still running."""

import math

from archer.mad.settings import COLUMNS, TASKS, Setting

Place = tuple[str, str]


class Best:
    """The highest accuracy of any trial so far, by rule and setting.

    Meant for a look on the way: the mean over the settings that have one, over which several seeds
    and grid points compete. The table of results is computed otherwise (archer/mad/scoring.py).
    """

    def __init__(self) -> None:
        self._top: dict[Place, dict[str, float]] = {}

    def add(self, rule: str, setting: Setting, accuracy: float) -> None:
        """One trial's accuracy on the split that selects; NaN changes nothing."""
        if not math.isnan(accuracy):
            settings = self._top.setdefault((rule, setting.task), {})
            settings[setting.name] = max(accuracy, settings.get(setting.name, accuracy))

    def of(self, rule: str, task: str) -> float | None:
        """Mean over the settings seen so far; None before the first."""
        settings = self._top.get((rule, task))
        return sum(settings.values()) / len(settings) if settings else None

    def by_task(self) -> dict[str, float]:
        """The best rule's number by column of the table, in the table's order."""
        found = {}
        for task in TASKS:
            seen = [self.of(*place) for place in self._top if place[1] == task]
            if seen:
                found[COLUMNS[task]] = max(value for value in seen if value is not None)
        return found
