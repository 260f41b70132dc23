"""A record of long sequences: written whole or not at all, and rebuilt from its values."""

from dataclasses import dataclass
from pathlib import Path

from archer.errors import ArcherError
from archer.files import prepare_folder, write_whole
from archer.lengths.measured import FACTS, Measured
from archer.lengths.picture import picture
from archer.lengths.report import PICTURE, report
from archer.record.folder import json_bytes, whole_folder


@dataclass(frozen=True)
class Rebuilt:
    """What a record holds, and the first of its files that its values give otherwise."""

    measured: Measured
    difference: str | None


def write(measured: Measured, out: Path) -> Measured:
    """The record as a reader will see it. Raises ArcherError if it cannot be written."""
    with whole_folder(prepare_folder(out.parent), out) as folder:
        (folder / FACTS).write_bytes(json_bytes(measured.facts))
        (folder / "environment.json").write_bytes(json_bytes(measured.runs))
        (folder / "command.txt").write_text("".join(f"{line}\n" for line in measured.commands))
        values = measured.values.to_csv(index=False, float_format="%.6g", lineterminator="\n")
        (folder / "lengths.csv").write_text(values)
        found = Measured.load(folder)  # rounded, as it will be read
        for name, text in derived(found).items():
            (folder / name).write_text(text)
    return found


def derived(measured: Measured) -> dict[str, str]:
    """The files that are computed from the values."""
    return {"report.md": report(measured), PICTURE: picture(measured)}


def rebuild(folder: Path, out: Path | None = None) -> Rebuilt:
    """A record's report and picture from its values; with out, written there.

    Raises ArcherError for a record that is damaged or lacks one of them.
    """
    measured, difference = Measured.load(folder), None
    for name, text in derived(measured).items():
        try:
            same = (folder / name).read_text(encoding="utf-8") == text
        except (OSError, UnicodeDecodeError):
            raise ArcherError(f"{folder} holds no readable {name}: it is no whole record") from None
        if not same and difference is None:
            difference = f"{name} is not what lengths.csv gives"
        if out is not None:
            write_whole(prepare_folder(out) / name, text)
    return Rebuilt(measured, difference)
