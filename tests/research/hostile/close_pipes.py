"""Closes everything and stays."""

import os
import time

from archer import Rule

os.closerange(0, 1024)
time.sleep(1000)


class Hostile(Rule):
    def write(self, S, dS, slots, p):
        return 0.5 * S + dS
