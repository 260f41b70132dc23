"""Prints without end."""

from archer import Rule

while True:
    print("x" * (1 << 20))


class Hostile(Rule):
    def write(self, S, dS, slots, p):
        return 0.5 * S + dS
