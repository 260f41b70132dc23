"""Saved weights: `archer.load` gives a trained model back as an ordinary module."""

import contextlib
from pathlib import Path

from archer.errors import ArcherError
from archer.mad import weights
from archer.mad.results import Results
from archer.mad.trial import SELECTS
from archer.model.backbone import Backbone
from archer.report.csv_file import read_csv
from archer.train.reading import Split

FOLDER = "weights"
ANOTHER = "train in a new folder with --save-weights"
CHOSE = {split: protocol for protocol, split in SELECTS.items()}


def load(trial: str | Path, folder: str | Path | None = None) -> Backbone:
    """A trained model at its best checkpoint: ids [B, T] -> logits [B, T, V], fp32, on the CPU.

    trial: a file of saved weights, or a trial's id as in trials.csv, with the result folder it is
    in. The module is in evaluation mode, for inference or further training; its attributes `trial`
    (archer.mad.trial.Trial) and `metrics` (EpochMetrics of the checkpoint) say what it is.
    Raises ArcherError if there are no such weights, if they cannot be read, or if they are of
    another epoch than the folder's trials.csv has for that id.
    """
    path = Path(trial) if folder is None else _find(str(trial), Path(folder))
    if not path.is_file():
        raise ArcherError(
            f"{path}: no saved weights there; name a file of them, or a trial's id and the folder "
            "of a benchmark that had --save-weights"
        )
    if folder is not None:
        _check_epoch(path, str(trial), Path(folder))
    module, described, metrics = weights.read(path)
    vars(module).update(trial=described, metrics=metrics)
    return module.eval()


def _find(trial: str, folder: Path) -> Path:
    path = weights.file_of(folder / FOLDER, trial)
    if not path.is_file():
        raise ArcherError(
            f"no saved weights of trial {trial} in {folder}: --save-weights keeps those of "
            "selected trials as they are trained; what was trained without it is trained again "
            "with another --out"
        )
    return path


def _check_epoch(path: Path, trial: str, folder: Path) -> None:
    """Raises ArcherError where the folder's table speaks of another epoch than the file holds."""
    try:
        table = read_csv(folder / "trials.csv")
    except (ArcherError, FileNotFoundError):
        return  # nothing is known
    if not {"trial", "best_epoch", "protocol"} <= {*table.columns}:
        return
    rows = table[table["trial"] == trial].dropna(subset=["best_epoch"])
    epoch, split = weights.chosen(path)
    if len(rows) and epoch not in set(rows["best_epoch"]):
        wanted, protocol = int(rows["best_epoch"].iloc[0]), rows["protocol"].iloc[0]
        raise ArcherError(
            f"the weights of trial {trial} are of epoch {epoch}, trained under {CHOSE[split]}, and "
            f"the table has epoch {wanted}, as {protocol} chooses: {ANOTHER}, or load {path} as "
            "it is"
        )


def keep_selected(results: Results, folder: Path) -> str:
    """Remove what the selection left out; a line each on weights that are missing or of no use.

    What another protocol chose and this one did not select stays: it may be wanted there.
    """
    protocol = results.plan.protocol
    selected = results.selected.dropna(subset=["best_epoch"])
    wanted = dict(zip(selected["trial"], selected["best_epoch"].astype(int), strict=True))
    for trial in {row.trial.id for row in results.plan.rows} - wanted.keys():
        _, split = _chosen(folder, trial)
        if split in (None, SELECTS[protocol]):
            with contextlib.suppress(OSError):
                weights.file_of(folder, trial).unlink()
    found = {trial: _chosen(folder, trial) for trial in wanted}
    missing = sum(split is None for _, split in found.values())
    others = [split for trial, (epoch, split) in found.items() if split and epoch != wanted[trial]]
    return "\n".join([*_told_missing(missing), *_told_others(others, protocol)])


def _chosen(folder: Path, trial: str) -> tuple[int, Split | None]:
    """As `weights.chosen`; no split where there is no file that can be read."""
    try:
        return weights.chosen(weights.file_of(folder, trial))
    except ArcherError:
        return 0, None


def _told_missing(count: int) -> list[str]:
    text = f"weights of {count} selected trials were not kept when they were trained"
    return [f"{text}; to have them, {ANOTHER}"] if count else []


def _told_others(others: list[Split], protocol: str) -> list[str]:
    under = " and ".join(sorted({CHOSE[split] for split in others}))
    return [
        f"weights of {len(others)} selected trials, trained under {under}, are of another epoch "
        f"than {protocol} chooses and are not loaded for it; to have them, {ANOTHER}"
    ][: len(others)]
