"""Reads from address 0."""

import ctypes

from archer import Rule

ctypes.string_at(0)


class Hostile(Rule):
    def write(self, S, dS, slots, p):
        return 0.5 * S + dS
