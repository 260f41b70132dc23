"""Starts programs, threads and processes."""

import ctypes
import multiprocessing
import os
import subprocess
import threading

import torch  # noqa: F401, it brings the modules above along

from archer import Rule

TARGET = "@target@"
WAYS = {
    "subprocess": lambda: subprocess.run(["/usr/bin/touch", TARGET], check=True),
    "system": lambda: os.system(f"touch {TARGET}"),
    "posix_spawn": lambda: os.posix_spawn("/usr/bin/touch", ["touch", TARGET], {}),
    "exec": lambda: os.execv("/usr/bin/touch", ["touch", TARGET]),
    "multiprocessing": lambda: multiprocessing.Process(target=print).start(),
    "thread": lambda: threading.Thread(target=lambda: print("a thread runs")).start(),
    "vfork": lambda: ctypes.CDLL(None).syscall(58),
}
for name, way in WAYS.items():
    try:
        print(name, "gave", way())
    except Exception as error:
        print(name, "refused", type(error).__name__)


class Hostile(Rule):
    def write(self, S, dS, slots, p):
        return 0.5 * S + dS
