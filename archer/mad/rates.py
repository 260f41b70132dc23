"""Learning rate and weight decay that were chosen before a plan was made, and by what."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePath
from typing import Any

Rate = tuple[str, float, float]  # setting, lr, weight decay
# Columns of trials.csv on chosen rates: source, rule and, separated by spaces, seeds.
TOLD = ("rates_from", "rates_of", "rates_seeds")


@dataclass(frozen=True)
class ChosenRates:
    """One lr and weight decay per setting for a rule: those that were best for the rule `of`.

    source: the record or store in which that rule was trained, see `called`. seeds: those that its
    validation accuracies are the means over.
    """

    rule: str
    of: str
    source: str
    seeds: tuple[int, ...]
    rates: tuple[Rate, ...]

    @cached_property
    def by_setting(self) -> Mapping[str, tuple[float, float]]:
        """lr and weight decay by the name of a setting."""
        return {setting: (lr, decay) for setting, lr, decay in self.rates}

    def to_json(self) -> dict[str, Any]:
        """Plain data, from which `from_json` makes an equal object."""
        return {
            "rule": self.rule,
            "of": self.of,
            "source": self.source,
            "seeds": list(self.seeds),
            "rates": [list(rate) for rate in self.rates],
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> "ChosenRates":
        """Raises KeyError, TypeError or ValueError for what `to_json` did not write."""
        return ChosenRates(
            str(data["rule"]),
            str(data["of"]),
            called(str(data["source"])),
            tuple(int(seed) for seed in data["seeds"]),
            tuple((str(name), float(lr), float(decay)) for name, lr, decay in data["rates"]),
        )


def called(source: str) -> str:
    """A source as tables name it: as it was given, of an absolute path only the last part.

    Tables are published, and nobody else has the folders of this machine.
    """
    path = PurePath(source)
    return path.name if path.is_absolute() else source


def rates_of(chosen: Iterable[ChosenRates], rule: str, setting: str) -> ChosenRates | None:
    """What a rule's rate on a setting is from, None where none was chosen."""
    return next((c for c in chosen if c.rule == rule and setting in c.by_setting), None)


def told_rates(chosen: Iterable[ChosenRates], rule: str, setting: str) -> dict[str, str]:
    """The columns of `TOLD` for a rule on a setting, empty where no rate was chosen."""
    found = rates_of(chosen, rule, setting)
    if found is None:
        return {}
    seeds = " ".join(map(str, found.seeds))
    return dict(zip(TOLD, (found.source, found.of, seeds), strict=True))
