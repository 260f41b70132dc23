"""Sends to a port of this machine, and opens every other kind of socket."""

import ctypes
import struct

from archer import Rule

TARGET = "@target@"
libc = ctypes.CDLL(None)
ADDRESS = struct.pack("=H", 2) + struct.pack("!H4B", int(TARGET), 127, 0, 0, 1) + bytes(8)
KINDS = {"tcp": (2, 1), "udp": (2, 2), "tcp6": (10, 1), "unix": (1, 1), "netlink": (16, 3)}
for name, (family, kind) in KINDS.items():
    found = libc.socket(family, kind, 0)
    if found < 0:
        print("refused", name)
    else:
        print("opened", name, "connected", libc.connect(found, ADDRESS, len(ADDRESS)))


class Hostile(Rule):
    def write(self, S, dS, slots, p):
        return 0.5 * S + dS
