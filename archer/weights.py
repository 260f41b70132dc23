"""Saved weights: `archer.load` gives a trained model back as an ordinary module."""

import contextlib
from pathlib import Path

from archer.errors import ArcherError
from archer.mad import weights
from archer.mad.results import Results
from archer.model.backbone import Backbone

FOLDER = "weights"


def load(trial: str | Path, folder: str | Path | None = None) -> Backbone:
    """A trained model at its best checkpoint: ids [B, T] -> logits [B, T, V], fp32, on the CPU.

    trial: a file of saved weights, or a trial's id as in trials.csv, with the result folder it is
    in. The module is in evaluation mode, for inference or further training; its attributes `trial`
    (archer.mad.trial.Trial) and `metrics` (EpochMetrics of the checkpoint) say what it is.
    Raises ArcherError if there are no such weights or they cannot be read.
    """
    path = Path(trial) if folder is None else _find(str(trial), Path(folder))
    if not path.is_file():
        raise ArcherError(
            f"{path}: no saved weights there; name a file of them, or a trial's id and the folder "
            "of a benchmark that had --save-weights"
        )
    module, described, metrics = weights.read(path)
    vars(module).update(trial=described, metrics=metrics)
    return module.eval()


def _find(trial: str, folder: Path) -> Path:
    path = weights.file_of(folder / FOLDER, trial)
    if not path.is_file():
        raise ArcherError(
            f"no saved weights of trial {trial} in {folder}: --save-weights keeps those of "
            "selected trials, as they are trained"
        )
    return path


def keep_selected(results: Results, folder: Path) -> str:
    """Remove what the selection left out; one line if weights of selected trials are missing."""
    selected = results.selected.dropna(subset=["best_epoch"])
    wanted = set(selected["trial"])
    for trial in {row.trial.id for row in results.plan.rows} - wanted:
        with contextlib.suppress(OSError):
            weights.file_of(folder, trial).unlink()
    missing = sum(not weights.file_of(folder, trial).is_file() for trial in wanted)
    if not missing:
        return ""
    return (
        f"weights of {missing} selected trials were not kept when they were trained; to have them, "
        "train in a new folder with --save-weights"
    )
