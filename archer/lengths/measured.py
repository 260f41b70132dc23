"""What was measured, and whether it is whole: the text of a record, read back."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from archer.errors import ArcherError
from archer.lengths.measure import positions
from archer.lengths.sequences import BINDINGS
from archer.report.csv_file import read_csv
from archer.report.record_file import read_json, read_text

FORMAT = 1
FACTS = "lengths.json"
COLUMNS = ["rule", "seed", "bindings", "layer", "position", "quantity", "value"]
NUMBERS = ("format", "length", "sequences", "since", "trained_length", "layers", "dim", "heads")
NEEDED = {
    **dict.fromkeys(NUMBERS, int),
    **dict.fromkeys(("preset", "protocol", "setting_name"), str),
    **dict.fromkeys(("setting", "chunk_size", "slots"), dict),
    **dict.fromkeys(("models", "lost"), list),
}


@dataclass(frozen=True)
class Measured:
    """facts: what lengths.json holds. values: columns COLUMNS; `layer` empty where it is of none.

    runs: who trained and who measured, as environment.json has it; commands: lines.
    """

    facts: Mapping[str, Any]
    values: pd.DataFrame
    runs: Mapping[str, Any]
    commands: list[str]

    @staticmethod
    def load(folder: Path) -> "Measured":
        """Raises ArcherError for files that are missing, damaged, newer, or not whole."""
        if not (folder / FACTS).is_file():
            raise ArcherError(f"{folder} is no record of long sequences: it holds no {FACTS}")
        facts = read_json(folder / FACTS)
        lost = [name for name, kind in NEEDED.items() if not isinstance(facts.get(name), kind)]
        if lost:
            raise ArcherError(f"{folder / FACTS} lacks {lost[0]!r}: the record is damaged")
        if facts["format"] > FORMAT:
            raise ArcherError(
                f"{folder} was written by a newer Archer (format {facts['format']}, this one knows "
                f"{FORMAT}): update Archer"
            )
        runs, commands = read_json(folder / "environment.json"), read_text(folder / "command.txt")
        try:
            values = read_csv(folder / "lengths.csv")
        except FileNotFoundError:
            raise ArcherError(f"{folder} holds no lengths.csv: it is no whole record") from None
        found = Measured(facts, values, runs, commands.splitlines())
        found.check(str(folder))
        return found

    def check(self, where: str) -> None:
        """Raises ArcherError unless every value that the facts promise is there once."""
        if list(self.values.columns) != COLUMNS:
            raise ArcherError(f"{where}: lengths.csv must have the columns {', '.join(COLUMNS)}")
        there = [
            (*row[:3], None if row[3] < 0 else row[3], *row[4:])
            for row in self.values[COLUMNS[:-1]].fillna({"layer": -1}).itertuples(index=False)
        ]
        if len(there) != len(set(there)) or set(there) != self._promised():
            raise ArcherError(
                f"{where}: the values of lengths.csv are not those that {FACTS} promises: the "
                "record is damaged"
            )

    def _promised(self) -> set[tuple[Any, ...]]:
        length, layers = self.facts["length"], range(self.facts["layers"])
        found: set[tuple[Any, ...]] = set()
        for model in self.facts["models"]:
            rule = model["rule"]
            names = ["memory", *(f"slot.{slot}" for slot in self.facts["slots"][rule]), "output"]
            for kind in BINDINGS:
                one = (rule, model["seed"], kind)
                for at in positions(length, self.facts["chunk_size"][rule]):
                    found |= {(*one, layer, at, name) for layer in layers for name in names}
                    found.add((*one, None, at, "error"))
                found.add((*one, None, length, "finite"))
        return found

    @property
    def rules(self) -> list[str]:
        return list(dict.fromkeys(model["rule"] for model in self.facts["models"]))

    @property
    def chance(self) -> float:
        """The error of guessing among the values."""
        vocab = int(self.facts["setting"]["vocab_size"])
        return 1 - 1 / (vocab - vocab // 2)

    def marks(self, rule: str) -> dict[str, int]:
        """Positions of a rule that tables show: where the trained length, `since` and all end."""
        at = positions(self.facts["length"], self.facts["chunk_size"][rule])
        wanted = {"trained": self.facts["trained_length"], "since": self.facts["since"]}
        found = {name: next(p for p in at if p >= end) for name, end in wanted.items()}
        return found | {"end": self.facts["length"]}

    def curve(self, rule: str, bindings: str, quantity: str, layer: int | None) -> pd.DataFrame:
        """Values of a quantity: a row per position, a column per seed."""
        return self._curves.get((rule, bindings, quantity, layer), pd.DataFrame())

    @cached_property
    def _curves(self) -> dict[tuple[str, str, str, int | None], pd.DataFrame]:
        found = {}
        named = self.values.assign(layer=self.values["layer"].fillna(-1))
        for key, rows in named.groupby(["rule", "bindings", "quantity", "layer"], sort=False):
            rule, kind, name, layer = map(str, key)
            at = None if float(layer) < 0 else int(float(layer))
            found[rule, kind, name, at] = rows.pivot(
                index="position", columns="seed", values="value"
            )
        return found


def is_lengths_record(folder: Path) -> bool:
    """Whether a folder is a record of long sequences, whole or not."""
    return (folder / FACTS).is_file()
