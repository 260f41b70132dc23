"""A filter of system calls for the rest of this process's life, without any library.

A small program of classic BPF: another architecture ends the process, a call on the list passes,
every other one fails with EPERM. It holds for root too.
"""

import ctypes
import errno
import platform
import struct

from archer.research.sandbox.kernel import check, libc, no_new_privileges
from archer.research.sandbox.syscalls import CLONE3, machine_calls

# linux/bpf_common.h: load a word, jump if equal, return
_LOAD, _JUMP_EQUAL, _RETURN = 0x20, 0x15, 0x06
# linux/seccomp.h
_SET_MODE_FILTER, _ALL_THREADS = 1, 1
_KILL, _ERRNO, _ALLOW = 0x80000000, 0x00050000, 0x7FFF0000
_NUMBER, _ARCH = 0, 4  # offsets in struct seccomp_data


class _Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def restrict() -> str:
    """Allow this process the calls of the table only; what is then in force.

    Raises OSError where the kernel has no seccomp or refuses, UnknownMachineError where there is
    no table.
    """
    arch, seccomp, allowed = machine_calls(platform.machine())
    code = _program(arch, allowed)
    no_new_privileges()
    program = _Program(len(code) // 8, code)
    check(libc.syscall(seccomp, _SET_MODE_FILTER, _ALL_THREADS, ctypes.byref(program)))
    return "seccomp"


def _program(arch: int, allowed: tuple[int, ...]) -> bytes:
    """x32 calls, which carry a bit of their own in the number, are on no list."""
    lines = [
        (_LOAD, 0, 0, _ARCH),
        (_JUMP_EQUAL, 1, 0, arch),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
        (_JUMP_EQUAL, 0, 1, CLONE3),
        (_RETURN, 0, 0, _ERRNO | errno.ENOSYS),
    ]
    for number in allowed:
        lines += [(_JUMP_EQUAL, 0, 1, number), (_RETURN, 0, 0, _ALLOW)]
    lines.append((_RETURN, 0, 0, _ERRNO | errno.EPERM))
    return b"".join(struct.pack("HBBI", *line) for line in lines)
