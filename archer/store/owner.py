"""Which process holds a trial, and whether it is still there."""

import os
import socket
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True)
class Owner:
    """A process. born: when it started, in the machine's own ticks."""

    machine: str
    pid: int
    born: str


def this_process() -> Owner:
    """This process as an owner."""
    return Owner(machine(), os.getpid(), _born(os.getpid()) or "")


def holds(owner: Owner, left: float) -> bool:
    """Whether a process may still have what it took. left: seconds of its lease.

    One of this machine as long as it lives: a clock that was set, or stood still while the machine
    slept, ends no lease. Of others nothing but their lease is known.
    """
    if owner.machine == machine() and owner.born:
        return _born(owner.pid) == owner.born
    return left > 0


@cache
def machine() -> str:
    """Host, boot and process namespace: where a pid means what it says."""
    parts = [socket.gethostname()]
    try:
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
        parts.append(os.readlink("/proc/self/ns/pid"))
    except OSError:  # not Linux: then only leases free trials
        pass
    return " ".join(parts)


def _born(pid: int) -> str | None:
    """Start of a living process; None if there is none, or it is dead and not yet buried."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]  # fields 3 and 22 of proc(5)
