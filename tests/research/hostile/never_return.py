"""Computes for ever, and lets nothing stop it."""

import contextlib
import signal

from archer import Rule

for number in range(1, 65):
    with contextlib.suppress(OSError, ValueError):
        signal.signal(number, signal.SIG_IGN)
while True:
    try:
        while True:
            pass
    except BaseException:
        pass


class Hostile(Rule):
    def write(self, S, dS, slots, p):
        return 0.5 * S + dS
