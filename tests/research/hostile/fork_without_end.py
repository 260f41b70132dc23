"""Forks, and forks again, in every child."""

import os

from archer import Rule

forked = refused = 0
while forked < 2000 and refused < 1000:
    try:
        os.fork()
        forked += 1
    except OSError:
        refused += 1
print("forked", forked, "refused", refused)


class Hostile(Rule):
    def write(self, S, dS, slots, p):
        return 0.5 * S + dS
