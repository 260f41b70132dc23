"""Sleeps for ever, and ignores every signal that can be ignored."""

import signal
import time

from archer import Rule

for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGALRM, signal.SIGXCPU):
    signal.signal(number, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
while True:
    time.sleep(1000)


class Hostile(Rule):
    def write(self, S, dS, slots, p):
        return 0.5 * S + dS
