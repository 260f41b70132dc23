"""Programs in children of one process that has imported what they need: importing takes longer."""

import json
import subprocess
import sys
from pathlib import Path

SERVER = """
import json, os, sys
sys.path[:0] = sys.argv[2:]
exec(sys.argv[1])
print("ready", flush=True)
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        folder, words = json.loads(line)
        os.chdir(folder)
        sys.stdin = open(os.devnull)
        for place, name in ((1, "said"), (2, "errors")):
            os.dup2(os.open(name, os.O_WRONLY), place)
        main(*words)
        sys.exit()
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Forks:
    """Runs `main(*words)` of a program in one child after the other.

    What a child prints is in the files `said` and `errors` of the folder it runs in.
    """

    def __init__(self, program: str, *path: Path) -> None:
        command = [sys.executable, "-c", SERVER, program, *map(str, path)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self.server = subprocess.Popen(command, text=True, **pipes)  # type: ignore[call-overload]
        assert self._line() == "ready"

    def _line(self) -> str:
        return self.server.stdout.readline().strip()

    def start(self, folder: Path, *words: str) -> int:
        """The child's process id."""
        for name in ("said", "errors"):
            (folder / name).write_text("")
        self.server.stdin.write(json.dumps([str(folder), words]) + "\n")
        self.server.stdin.flush()
        return int(self._line())

    def ended(self) -> int:
        """Waits for the child; its exit code."""
        return int(self._line())

    def __enter__(self) -> "Forks":
        return self

    def __exit__(self, *raised: object) -> None:
        self.server.communicate(timeout=300)
