"""Writes, makes, moves, links, changes and removes what it can reach."""

import os
from pathlib import Path

from archer import Rule

TARGET = "@target@"
FOLDER = os.path.dirname(TARGET)
WAYS = {
    "write": lambda: Path(TARGET).write_text("changed"),
    "append": lambda: os.write(os.open(TARGET, os.O_WRONLY | os.O_APPEND), b"changed"),
    "truncate": lambda: os.truncate(TARGET, 0),
    "remove": lambda: os.remove(TARGET),
    "rename": lambda: os.rename(TARGET, TARGET + ".moved"),
    "link": lambda: os.link(TARGET, TARGET + ".link"),
    "symlink": lambda: os.symlink(TARGET, TARGET + ".symlink"),
    "mode": lambda: os.chmod(TARGET, 0o777),
    "owner": lambda: os.chown(TARGET, os.getuid(), os.getgid()),
    "time": lambda: os.utime(TARGET, (0, 0)),
    "folder": lambda: os.mkdir(os.path.join(FOLDER, "made")),
    "new": lambda: Path(FOLDER, "new").write_text("new"),
    "pipe": lambda: os.mkfifo(os.path.join(FOLDER, "pipe")),
}
for name, way in WAYS.items():
    try:
        way()
        print("did", name)
    except OSError as error:
        print(name, "refused", type(error).__name__)


class Hostile(Rule):
    def write(self, S, dS, slots, p):
        return 0.5 * S + dS
