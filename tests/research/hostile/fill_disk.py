"""Writes wherever anybody may write."""

import os
import tempfile

from archer import Rule

TARGET = "@target@"
written = 0
for folder in (".", "/tmp", "/var/tmp", "/dev/shm", os.environ["HOME"], TARGET):
    for number in range(20):
        try:
            with open(f"{folder}/archer_hostile_{number}", "wb") as file:
                written += file.write(bytes(1 << 20))
        except OSError:
            pass
for way in (tempfile.TemporaryFile, lambda: os.fdopen(os.memfd_create("x"), "wb")):
    try:
        with way() as file:
            written += file.write(bytes(1 << 20))
    except OSError:
        pass
print("written", written)


class Hostile(Rule):
    def write(self, S, dS, slots, p):
        return 0.5 * S + dS
