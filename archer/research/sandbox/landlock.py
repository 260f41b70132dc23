"""Landlock: this process may from now on read Python's own libraries and touch no other file.

Kernel documentation: userspace-api/landlock.rst. What a version of its interface does not know
yet (network from version 4, signals and abstract sockets from 6) is left to the other layers.
"""

import ctypes
import os
import sysconfig
from pathlib import Path

from archer.research.sandbox.kernel import check, libc, no_new_privileges

# The same numbers on every architecture.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION, _PATH_BENEATH = 1, 1
_READ = 1 << 2 | 1 << 3  # files, folders
_NET = 1 << 0 | 1 << 1  # bind, connect TCP
_SCOPES = 1 << 0 | 1 << 1  # abstract unix sockets, signals
_NETWORK_SINCE, _SCOPES_SINCE = 4, 6


class _Ruleset(ctypes.Structure):
    """struct landlock_ruleset_attr."""

    _fields_ = (("fs", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _Beneath(ctypes.Structure):
    """struct landlock_path_beneath_attr."""

    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("allowed", ctypes.c_uint64), ("folder", ctypes.c_int32))


def version() -> int:
    """The kernel's Landlock version. Raises OSError where there is none."""
    return check(libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION))


def restrict() -> str:
    """Restrict this thread, and what it starts; what is then in force. Raises OSError."""
    found = version()
    ruleset = _Ruleset(
        fs=_handled(found),
        net=_NET if found >= _NETWORK_SINCE else 0,
        scoped=_SCOPES if found >= _SCOPES_SINCE else 0,
    )
    size = 8 if found < _NETWORK_SINCE else 16 if found < _SCOPES_SINCE else 24
    made = check(libc.syscall(_CREATE_RULESET, ctypes.byref(ruleset), ctypes.c_size_t(size), 0))
    for folder in _libraries():
        _allow_reading(made, folder)
    no_new_privileges()
    check(libc.syscall(_RESTRICT_SELF, made, 0))
    os.close(made)
    return f"landlock abi {found}"


def _handled(version: int) -> int:
    """Every right to files that this version can take away."""
    count = {1: 13, 2: 14, 3: 15, 4: 15}.get(version, 16)
    return (1 << count) - 1


def _libraries() -> set[Path]:
    """Folders of Python's standard library and of installed packages."""
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    return {path for name in names if (path := Path(sysconfig.get_path(name))).is_dir()}


def _allow_reading(ruleset: int, folder: Path) -> None:
    opened = os.open(folder, os.O_PATH | os.O_CLOEXEC)
    try:
        rule = _Beneath(_READ, opened)
        check(libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, ctypes.byref(rule), 0))
    finally:
        os.close(opened)
