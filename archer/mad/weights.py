"""The best parameters of a trial in a file, and the module they make again."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from archer.errors import ArcherError
from archer.files import write_whole
from archer.mad.trial import Trial, trial_from_json
from archer.model.backbone import Backbone
from archer.model.members import build, extract
from archer.train.reading import Split
from archer.train.results import EpochMetrics, epoch_from_json

FORMAT = "archer weights 1"
# TypeError: a field that this version does not know
UNREADABLE = (SafetensorError, OSError, ValueError, KeyError, TypeError, RuntimeError)


def file_of(folder: Path, trial: str) -> Path:
    """Where the weights of the trial with this id are."""
    return folder / f"{trial}.safetensors"


def write(folder: Path, trial: Trial, best: EpochMetrics, module: Backbone) -> Path:
    """Write a trial's module, with the trial and the metrics of that epoch. Raises ArcherError."""
    tensors = {name: each.detach().cpu().clone() for name, each in module.state_dict().items()}
    metadata = {
        "format": FORMAT,
        "trial": json.dumps(trial.to_json()),
        "best": json.dumps(asdict(best)),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ArcherError(f"cannot write to {folder}: {error.strerror}") from error
    return write_whole(file_of(folder, trial.id), save(tensors, metadata))


def read(path: Path) -> tuple[Backbone, Trial, EpochMetrics]:
    """The module in a file, its trial, and its metrics. Raises ArcherError."""
    with _opened(path) as file:
        metadata = _metadata(path, file)
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        trial = trial_from_json(json.loads(metadata["trial"]))
        best = epoch_from_json(json.loads(metadata["best"]))
        module = untrained(trial)
        module.load_state_dict(tensors)
    return module, trial, best


def chosen(path: Path) -> tuple[int, Split]:
    """The epoch whose weights a file holds, and the split that chose it. Raises ArcherError."""
    with _opened(path) as file:
        metadata = _metadata(path, file)
        select: Split = json.loads(metadata["trial"])["regime"]["select"]
        return int(json.loads(metadata["best"])["epoch"]), select


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """A file of weights; whatever is wrong with it becomes an ArcherError."""
    try:
        with safe_open(path, "pt") as file:
            yield file
    except UNREADABLE as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ArcherError(
            f"the weights in {path} cannot be read ({reason}): train the trial again"
        ) from error


def _metadata(path: Path, file: Any) -> dict[str, str]:
    metadata: dict[str, str] = file.metadata() or {}
    if metadata.get("format") != FORMAT:
        raise ArcherError(f"{path} holds no weights of a trial: give one that bench wrote")
    return metadata


def untrained(trial: Trial) -> Backbone:
    """A trial's module before its training: ids [B, T] -> logits [B, T, V]."""
    knobs = [dict(trial.knobs)]
    return extract(
        build(trial.rule, trial.model, [trial.stream], knobs=knobs, learn=trial.learn), 0
    )
