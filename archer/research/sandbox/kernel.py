"""What the standard library does not offer of the kernel, through ctypes."""

import ctypes
import os
import signal

libc = ctypes.CDLL(None, use_errno=True)

# linux/prctl.h
_SET_PDEATHSIG, _SET_DUMPABLE, _SET_NO_NEW_PRIVS = 1, 4, 38


def check(result: int) -> int:
    """The result of a call; raises OSError with its errno if it is negative."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def no_new_privileges() -> None:
    """No set-uid program gives this process more than it has: seccomp and Landlock ask for it."""
    check(libc.prctl(_SET_NO_NEW_PRIVS, 1, 0, 0, 0))


def not_dumpable() -> None:
    """No core file, and no other process of the same user may look into this one."""
    check(libc.prctl(_SET_DUMPABLE, 0, 0, 0, 0))


def die_with_parent() -> None:
    """SIGKILL when the parent ends. A change of user id undoes this, so it comes after."""
    check(libc.prctl(_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0))
