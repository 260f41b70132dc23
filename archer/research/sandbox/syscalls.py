"""Numbers of the system calls that confined code may make: all others are refused.

Enough to compute, allocate, sleep, and write to what is open already. Nothing here opens, names or
changes a file, starts a thread or process, reaches another process, or makes a socket.
"""

# name: (x86_64, aarch64), from the kernel's asm/unistd_64.h and asm-generic/unistd.h
_CALLS = {
    "brk": (12, 214),
    "mmap": (9, 222),
    "munmap": (11, 215),
    "mremap": (25, 216),
    "mprotect": (10, 226),
    "madvise": (28, 233),
    "futex": (202, 98),
    "membarrier": (324, 283),
    "rseq": (334, 293),
    "set_robust_list": (273, 99),
    "read": (0, 63),
    "readv": (19, 65),
    "write": (1, 64),
    "writev": (20, 66),
    "close": (3, 57),
    "lseek": (8, 62),
    "fstat": (5, 80),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "sigaltstack": (131, 132),
    "restart_syscall": (219, 128),
    "clock_gettime": (228, 113),
    "clock_getres": (229, 114),
    "clock_nanosleep": (230, 115),
    "nanosleep": (35, 101),
    "gettimeofday": (96, 169),
    "times": (100, 153),
    "getrusage": (98, 165),
    "getpid": (39, 172),
    "getppid": (110, 173),
    "gettid": (186, 178),
    "getuid": (102, 174),
    "geteuid": (107, 175),
    "getgid": (104, 176),
    "getegid": (108, 177),
    "sched_yield": (24, 124),
    "sched_getaffinity": (204, 123),
    "getcpu": (309, 168),
    "getrandom": (318, 278),
    "uname": (63, 160),
    "sysinfo": (99, 179),
    "exit": (60, 93),
    "exit_group": (231, 94),
}
# name, as in `platform.machine()`: (AUDIT_ARCH of linux/audit.h, column, number of `seccomp`)
_MACHINES = {"x86_64": (0xC000003E, 0, 317), "aarch64": (0xC00000B7, 1, 277)}

CLONE3 = 435  # the same everywhere; glibc falls back to `clone` where it does not exist


class UnknownMachineError(Exception):
    """No table of system calls for this processor."""


def machine_calls(machine: str) -> tuple[int, int, tuple[int, ...]]:
    """AUDIT_ARCH, the number of `seccomp`, the numbers of the calls that are allowed.

    Raises UnknownMachineError.
    """
    if machine not in _MACHINES:
        raise UnknownMachineError(f"no table of system calls for {machine}")
    arch, column, seccomp = _MACHINES[machine]
    return arch, seccomp, tuple(numbers[column] for numbers in _CALLS.values())
