"""Takes memory, by Python, by torch, by a shared map, until it gets none."""

import mmap

import torch

from archer import Rule

HELD, PIECE = [], 64 << 20


def take(way):
    taken = 0
    while taken < 1000:
        try:
            HELD.append(way())
        except (MemoryError, OSError, RuntimeError):
            return taken
        taken += 1
    return taken


def shared():
    piece = mmap.mmap(-1, PIECE)
    for place in range(0, PIECE, 4096):
        piece[place] = 1
    return piece


pieces = [take(way) for way in (shared, lambda: bytearray(PIECE), lambda: torch.ones(PIECE // 4))]
HELD.clear()
print("took", sum(pieces))


class Hostile(Rule):
    def write(self, S, dS, slots, p):
        return 0.5 * S + dS
