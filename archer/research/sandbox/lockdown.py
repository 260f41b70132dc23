"""What a process gives up before it runs anything that was proposed. There is no way back.

Several layers, each of which alone holds much of what hostile code may try, also for root:

    landlock  no file but Python's own libraries, and those for reading only
    uid       an unprivileged user without capabilities, where the process was root
    limits    memory, processor time, no new files, sockets, threads or processes
    seccomp   system calls from a short list
"""

import errno
import math
import os
import resource
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

# all imported here: later no file can be read
from archer.research.sandbox import kernel, landlock, seccomp
from archer.research.sandbox.limits import Limits
from archer.research.sandbox.syscalls import UnknownMachineError

LAYERS = ("landlock", "uid", "limits", "seccomp")  # in the order in which they are put in force
NOBODY = 65534


def lock_down(limits: Limits, layers: Iterable[str] = LAYERS) -> tuple[str, ...]:
    """Put the layers in force; says of each what is in force, or why it is not."""
    held = _address_space()  # while /proc can be read
    put: dict[str, Callable[[], str]] = {
        "landlock": _landlock,
        "uid": _unprivileged,
        "limits": lambda: _limit(limits, held),
        "seccomp": _seccomp,
    }
    return tuple(_said(layer, put[layer]) for layer in LAYERS if layer in layers)


def end_with_parent() -> None:
    """This process is killed when its parent ends; on Linux only."""
    if sys.platform == "linux":
        kernel.die_with_parent()


def _said(layer: str, put: Callable[[], str]) -> str:
    try:
        return put()
    except OSError as error:
        missing = error.errno in (errno.ENOSYS, errno.EOPNOTSUPP)
        return f"no {layer}: " + ("not in this kernel" if missing else str(error.strerror))
    except (UnknownMachineError, ValueError) as error:
        return f"no {layer}: {error}"


def _landlock() -> str:
    if sys.platform != "linux":
        return f"no landlock: not on {sys.platform}"
    return landlock.restrict()


def _unprivileged() -> str:
    if os.geteuid() != 0:
        return f"no uid of its own: only root could give one, this is uid {os.geteuid()}"
    try:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    finally:
        end_with_parent()  # a change of user undoes it
    return f"uid {NOBODY}"


def _limit(limits: Limits, held: int) -> str:
    seconds = math.ceil(time.process_time()) + limits.cpu_seconds
    ours = {
        resource.RLIMIT_CORE: (0, 0),
        resource.RLIMIT_FSIZE: (0, 0),
        resource.RLIMIT_CPU: (seconds, seconds + 1),
        resource.RLIMIT_NPROC: (0, 0),
        resource.RLIMIT_NOFILE: (0, 0),  # what is open stays so
    }
    if held:
        ours[resource.RLIMIT_AS] = (held + limits.memory, held + limits.memory)
    for name, wanted in ours.items():
        ceiling = resource.getrlimit(name)[1]
        free = ceiling == resource.RLIM_INFINITY
        soft, hard = (value if free else min(value, ceiling) for value in wanted)
        resource.setrlimit(name, (soft, hard))
    memory = f"{limits.memory >> 20} MB" if held else "no limit of memory"
    return f"limits ({memory}, {limits.cpu_seconds} s, no new files or processes)"


def _address_space() -> int:
    """Bytes mapped by now; 0 where the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGESIZE")
    except OSError:
        return 0


def _seccomp() -> str:
    if sys.platform != "linux":
        return f"no seccomp: not on {sys.platform}"
    kernel.not_dumpable()
    return seccomp.restrict()
