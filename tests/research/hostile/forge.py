"""Answers for itself, past the tracer, with what it was given."""

import os

from archer import Rule

ANSWER = bytes.fromhex("@target@")
for descriptor in range(3, 4096):
    left = ANSWER
    try:
        while left:
            left = left[os.write(descriptor, left) :]
    except OSError:
        pass
os._exit(0)


class Hostile(Rule):
    def write(self, S, dS, slots, p):
        return 0.5 * S + dS
