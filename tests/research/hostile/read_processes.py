"""Looks into other processes: environment, memory, command line, and its own."""

import os

from archer import Rule

for process in (os.getppid(), os.getpid(), 1):
    for name in ("environ", "mem", "maps", "cmdline", "cwd/README.md"):
        try:
            with open(f"/proc/{process}/{name}", "rb") as file:
                print("read", file.read(1000))
        except OSError as error:
            print("refused", type(error).__name__)
try:
    print("read", os.listdir("/proc"))
except OSError as error:
    print("refused", type(error).__name__)


class Hostile(Rule):
    def write(self, S, dS, slots, p):
        return 0.5 * S + dS
