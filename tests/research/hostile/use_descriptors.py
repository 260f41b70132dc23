"""Reads and writes every file descriptor that it may have inherited."""

import contextlib
import os

from archer import Rule

for descriptor in range(3, 1024):
    with contextlib.suppress(OSError):
        print("read", descriptor, os.pread(descriptor, 100, 0))
    with contextlib.suppress(OSError):
        os.pwrite(descriptor, b"changed", 0)
        print("wrote", descriptor)


class Hostile(Rule):
    def write(self, S, dS, slots, p):
        return 0.5 * S + dS
