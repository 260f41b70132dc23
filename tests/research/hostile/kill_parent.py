"""Signals to the process that started it and, harmlessly, to its group and the first process."""

import os
import signal

from archer import Rule

WAYS = {
    "parent": lambda: os.kill(os.getppid(), signal.SIGKILL),
    "group": lambda: os.killpg(os.getpgid(os.getppid()), signal.SIGCONT),
    "first": lambda: os.kill(1, 0),
    "thread": lambda: signal.pidfd_send_signal(os.pidfd_open(os.getppid()), signal.SIGKILL),
}
for name, way in WAYS.items():
    try:
        way()
        print("signalled", name)
    except OSError as error:
        print(name, "refused", type(error).__name__)


class Hostile(Rule):
    def write(self, S, dS, slots, p):
        return 0.5 * S + dS
