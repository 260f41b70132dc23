"""Where running members stand, in files: a crash costs a minute of them, not all they did.

A member's training does not depend on who else is there, so each has a file of its own. The order
of its data is a function of its stream and the epoch, and nothing else is drawn while it trains:
no random state is kept. A file holds 4 x 4 bytes per parameter: values, both moments, best values.
"""

import contextlib
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from archer.errors import ArcherError
from archer.files import write_whole
from archer.train.results import MemberResult, result_from_json, result_to_json

FORMAT = "archer checkpoint 2"
SECONDS = 60.0  # of training between two writings
SHARE = 10  # writing takes no more than one part in so many of the time
NUMBERS = ("values", "mean", "square", "best")


@dataclass(frozen=True)
class State:
    """One member between two batches: all that the rest of its training depends on.

    epoch: the one it is in, from 1; done: batches of it. result: as far as it has come.
    tensors: NUMBERS, [M] each: parameters, their two moments, the best parameters so far; losses,
    [done], of the epoch; steps, [1]: the optimizer's. best: the epoch those best parameters are of;
    another protocol may come to read another one off the same result.
    """

    epoch: int
    done: int
    result: MemberResult
    tensors: Mapping[str, Tensor]
    best: int | None = None


class Checkpoints:
    """A folder with one file per running member, each written whole or not at all.

    names: of the files, one per member. seconds: between two writings. What cannot be written or
    read costs one line of warning and never the training.
    """

    def __init__(self, folder: Path, names: Sequence[str], seconds: float = SECONDS) -> None:
        self.folder, self.names, self.seconds = folder, names, seconds
        self.next = time.monotonic() + seconds
        self.warned = False

    def due(self) -> bool:
        """Whether it is time to write."""
        return time.monotonic() >= self.next

    def write(self, states: Mapping[int, State]) -> None:
        """Write the states of some members."""
        began = time.monotonic()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for member, state in states.items():
                write_whole(file_of(self.folder, self.names[member]), self._bytes(member, state))
        except (ArcherError, OSError) as error:
            if not self.warned:
                warn(f"no checkpoint for now, the training goes on: {error}")
            self.warned = True
        else:
            self.warned = False
        took = time.monotonic() - began
        self.next = time.monotonic() + min(max(self.seconds, SHARE * took), SHARE * self.seconds)

    def has(self, member: int) -> bool:
        """Whether there is a file of this member."""
        return file_of(self.folder, self.names[member]).is_file()

    def read(self, member: int, numbers: int) -> State | None:
        """Where a member of so many numbers stood; None, after a warning, if that is unknown."""
        if not self.has(member):
            return None
        path = file_of(self.folder, self.names[member])
        try:
            return _read(path, self.names[member], numbers)
        except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            warn(f"{path} is not used, its trial begins anew: {reason}")
            return None

    def _bytes(self, member: int, state: State) -> bytes:
        result = result_to_json(state.result)
        standing = {"epoch": state.epoch, "done": state.done, "result": result, "best": state.best}
        metadata = {"format": FORMAT, "name": self.names[member], "standing": json.dumps(standing)}
        return save(dict(state.tensors), metadata)


def _read(path: Path, name: str, numbers: int) -> State:
    with safe_open(path, "pt") as file:
        metadata = file.metadata() or {}
        if metadata.get("format") != FORMAT:
            raise ValueError("it is of another version of Archer, or of something else")
        if metadata["name"] != name:
            raise ValueError(f"it is of the trial {metadata['name']}")
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    standing = json.loads(metadata["standing"])
    epoch, done = standing["epoch"], standing["done"]
    shapes = {**dict.fromkeys(NUMBERS, (numbers,)), "losses": (done,), "steps": (1,)}
    if {key: tuple(tensor.shape) for key, tensor in tensors.items()} != shapes:
        raise ValueError("its tensors have other shapes")
    result = result_from_json(standing["result"])
    return State(epoch, done, result, tensors, standing["best"])


def file_of(folder: Path, name: str) -> Path:
    """The checkpoint of that name."""
    return folder / f"{name}.safetensors"


def kept(folder: Path) -> list[str]:
    """Names of the checkpoints in a folder."""
    return sorted(path.stem for path in folder.glob("[!.]*.safetensors"))


def remove(folder: Path, name: str) -> None:
    """Forget a member that has ended."""
    left = folder.glob(f".{name}.safetensors.*.tmp")  # of a process that was killed
    for path in (file_of(folder, name), *left):
        with contextlib.suppress(OSError):
            path.unlink()


def close(folder: Path) -> None:
    """Remove the folder if it is empty."""
    with contextlib.suppress(OSError):
        folder.rmdir()


def warn(text: str) -> None:
    """One line for the user, from whichever process."""
    print(f"warning: {text}", file=sys.stderr, flush=True)


def member_state(
    epoch: int,
    done: int,
    result: MemberResult,
    row: int,
    tensors: Mapping[str, Tensor],
    best: int | None,
) -> State:
    """The state of a row of tensors with the members' rows first."""
    mine = {name: tensor[row].clone() for name, tensor in tensors.items()}
    mine["losses"] = mine["losses"][:done].clone()
    mine["steps"] = mine["steps"].view(1)
    return State(epoch, done, result, mine, best)
