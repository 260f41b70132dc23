"""A machine's memory, shared by the workers that train on its processor."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from archer.mad.estimate import largest_step, memory
from archer.mad.plan import Population

SHARE = 0.75  # of the free memory: the rest is for torch itself, and for what was counted too low
PROC, CGROUPS = Path("/proc"), Path("/sys/fs/cgroup")
# limit, use, and in memory.stat what of it could be given back, of either version of cgroups
LIMITS = (
    ("", "memory.max", "memory.current", "inactive_file"),
    ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)


@dataclass(frozen=True)
class Want:
    """What a population takes: how many of its members train at a time, None for all, in bytes."""

    members: int | None
    bytes: int


class Room:
    """Bytes that workers share evenly. What wants more than a share trains fewer members at a time.

    A member by itself may want more than a share: its population then waits until others have
    ended, and one member always trains. bytes: by default of what is free now.
    """

    def __init__(self, workers: int, bytes: int | None = None) -> None:
        self.bytes = int(free() * SHARE) if bytes is None else bytes
        self.share = self.bytes // workers
        self.taken: list[int] = []
        self.changed = threading.Condition()

    def want(self, population: Population) -> Want:
        """What a population is to take; nothing of a layer that cannot be made, which its training
        will say."""
        try:
            everything, step = memory(population), largest_step(population)
        except Exception:
            return Want(None, 0)
        count = len(population.trials)
        if everything <= self.share:
            return Want(None, everything)
        members = max(1, min((self.share - everything) // step + count, count - 1))
        return Want(members, everything - (count - members) * step)

    @contextmanager
    def held(self, want: Want) -> Iterator[None]:
        """Waits for room; inside it is taken."""
        with self.changed:
            self.changed.wait_for(lambda: not self.taken or self._left() >= want.bytes)
            self.taken.append(want.bytes)
        try:
            yield
        finally:
            with self.changed:
                self.taken.remove(want.bytes)
                self.changed.notify_all()

    def _left(self) -> int:
        return self.bytes - sum(self.taken)


def free() -> int:
    """Bytes of memory that processes here may still take: of the machine, and of their cgroups."""
    lines = (line.partition(":") for line in (PROC / "meminfo").read_text().splitlines())
    numbers = {name: int(rest.split()[0]) for name, _, rest in lines}
    return max(0, min([1024 * numbers["MemAvailable"], *_left_in_cgroups()]))


def _left_in_cgroups() -> Iterator[int]:
    """Of every cgroup that this process is in and that has a limit."""
    for folder, names in _cgroups():
        # a limit that is not there, "max", or a cgroup that cannot be read
        with suppress(OSError, ValueError):
            limit, used = (int((folder / name).read_text()) for name in names[:2])
            stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
            yield limit - used + int(stat.get(names[2], 0))


def _cgroups() -> Iterator[tuple[Path, tuple[str, str, str]]]:
    try:
        lines = (PROC / "self" / "cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:  # "4:memory:/path", "0::/path"
        _, _, rest = line.partition(":")
        controller, _, path = rest.partition(":")
        for kind, *names in LIMITS:
            if controller == kind:
                inner = Path(path.strip("/"))
                for each in (inner, *inner.parents):
                    yield CGROUPS / kind / each, (names[0], names[1], names[2])
