"""Presets: what is trained and how, from seconds to the whole benchmark.

Each is a named function that returns plain settings. Only `core` and `mad` train the published
model on the published settings; `smoke` and `quick` are smaller and not comparable to published
numbers.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from archer.errors import ArcherError
from archer.mad.rates import Rate
from archer.mad.settings import TASKS, Setting, baseline, settings

LEARNING_RATES = (1e-4, 5e-4, 1e-3)
WEIGHT_DECAYS = (0.0, 0.1)
SIZES = ("epochs", "batch_size", "chunk_size")  # a model's are checked where it is made
CHOSEN = " (chosen rates)"  # at the end of a preset's name; see `Preset.at_chosen_rates`
SWEPT = " (sweep)"  # at the end of a preset's name, in a store: no table is made of it


@dataclass(frozen=True)
class Preset:
    """What is trained: settings, the lr x weight-decay grid, sizes of model and training.

    chunk_size: overrides every rule's own, None leaves it. comparable: whether scores may stand
    beside published ones. Raises ArcherError for a size that is no whole number from 1, and
    for a grid without a point or with one that is no number from 0.
    """

    name: str
    about: str
    settings: tuple[Setting, ...]
    lrs: tuple[float, ...] = LEARNING_RATES
    weight_decays: tuple[float, ...] = WEIGHT_DECAYS
    dim: int = 128
    heads: int = 1
    blocks: int = 2
    epochs: int = 200
    batch_size: int = 128
    chunk_size: int | None = None
    comparable: bool = True

    def __post_init__(self) -> None:
        for name in SIZES:
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int) or value < 1):
                raise ArcherError(f"{name} is {value}; it must be a whole number from 1")
        for name in ("lrs", "weight_decays"):
            values = getattr(self, name)
            if not values or not all(0 <= value < math.inf for value in values):
                raise ArcherError(f"{name} is {values}; give numbers from 0, at least one")

    def only(self, tasks: Sequence[str] | None) -> "Preset":
        """The same preset on some tasks only. Raises ArcherError for an unknown task or none."""
        if tasks is None:
            return self
        if not tasks:
            raise ArcherError(f"no task given: name at least one of {', '.join(TASKS)}")
        wanted = {baseline(task).task for task in tasks}
        return replace(self, settings=tuple(s for s in self.settings if s.task in wanted))

    def at(self, rates: Sequence[Rate]) -> "list[Preset]":
        """A part of the preset for every rate: its setting, with a grid of this one point."""
        by_name = {setting.name: setting for setting in self.settings}
        return [
            replace(self, settings=(by_name[name],), lrs=(lr,), weight_decays=(decay,))
            for name, lr, decay in rates
        ]

    def at_chosen_rates(self) -> "Preset":
        """The same preset, named apart: a table of it has one lr and weight decay per setting."""
        about = f"the settings of preset {self.name}, each at one learning rate and weight decay"
        return replace(self, name=self.name + CHOSEN, about=about)


def smoke() -> Preset:
    """Seconds: does everything run? The scores mean nothing."""
    sizes: dict[str, Any] = {
        "num_train_examples": 64,
        "num_validation_examples": 32,
        "num_test_examples": 32,
    }
    small = (
        replace(baseline("compression"), seq_len=8, **sizes),
        replace(baseline("in-context-recall"), seq_len=32, **sizes),
        replace(baseline("fuzzy-in-context-recall"), seq_len=32, **sizes),
        replace(baseline("memorization"), vocab_size=16, seq_len=8, **sizes),
        replace(baseline("noisy-in-context-recall"), seq_len=32, **sizes),
        replace(baseline("selective-copying"), seq_len=32, num_tokens_to_copy=4, **sizes),
    )
    return Preset(
        "smoke",
        "64 examples, 2 epochs, width 16, chunks of 8: shows that everything runs, nothing more",
        small,
        lrs=(3e-3,),
        weight_decays=(0.0,),
        dim=16,
        epochs=2,
        batch_size=32,
        chunk_size=8,
        comparable=False,
    )


def quick() -> Preset:
    """Minutes on two processor cores: MAD in small, where rules already differ."""
    held_out: dict[str, Any] = {"num_validation_examples": 128, "num_test_examples": 256}
    small = (
        replace(baseline("compression"), seq_len=16, num_train_examples=1600, **held_out),
        replace(baseline("in-context-recall"), seq_len=64, num_train_examples=1280, **held_out),
        replace(
            baseline("fuzzy-in-context-recall"),
            vocab_size=10,
            k_motif_size=2,
            v_motif_size=2,
            seq_len=64,
            num_train_examples=1280,
            **held_out,
        ),
        replace(
            baseline("memorization"),
            vocab_size=1024,
            seq_len=16,
            num_train_examples=256,
            **held_out,
        ),
        replace(
            baseline("noisy-in-context-recall"), seq_len=64, num_train_examples=1280, **held_out
        ),
        replace(
            baseline("selective-copying"),
            seq_len=64,
            num_tokens_to_copy=8,
            num_train_examples=1280,
            **held_out,
        ),
    )
    return Preset(
        "quick",
        "MAD in small: width 64, at most 64 tokens, chunks of 16, one learning rate",
        small,
        lrs=(3e-3,),
        weight_decays=(0.0,),
        dim=64,
        epochs=4,
        batch_size=16,
        chunk_size=16,
        comparable=False,
    )


def core() -> Preset:
    """Every task at its baseline difficulty with the full learning-rate and decay grid."""
    return Preset(
        "core",
        "the six tasks at their baseline difficulty, full lr x weight-decay grid",
        tuple(baseline(task) for task in TASKS),
    )


def mad() -> Preset:
    """The whole benchmark: 66 settings, 6 points of the grid each."""
    return Preset(
        "mad",
        "the full MAD benchmark: 66 settings x 6 grid points per rule",
        tuple(setting for task in TASKS for setting in settings(task)),
    )


PRESETS: dict[str, Callable[[], Preset]] = {
    "smoke": smoke,
    "quick": quick,
    "core": core,
    "mad": mad,
}


def preset(name: str) -> Preset:
    """The preset of that name. Raises ArcherError."""
    if name not in PRESETS:
        raise ArcherError(f"unknown preset {name!r}: the presets are {', '.join(PRESETS)}")
    return PRESETS[name]()


def preset_of_table(name: str) -> Preset | None:
    """The preset that a table of this name is of, perhaps at chosen rates; None if it is another's.

    Where rates were chosen beforehand, the lr x weight-decay grid of the preset was not trained.
    """
    plain = name.removesuffix(CHOSEN)
    if plain not in PRESETS:
        return None
    found = PRESETS[plain]()
    return found if name == plain else found.at_chosen_rates()


def folder_name(name: str) -> str:
    """A preset's name as that of a folder."""
    return name.replace(CHOSEN, "-chosen-rates")
