"""Prints every variable it can find."""

import ctypes
import os

from archer import Rule

print(dict(os.environ))
ctypes.CDLL(None).getenv.restype = ctypes.c_char_p
print(ctypes.CDLL(None).getenv(b"ARCHER_TEST_SECRET"))


class Hostile(Rule):
    def write(self, S, dS, slots, p):
        return 0.5 * S + dS
