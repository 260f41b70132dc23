"""What runs in the confined process: import, lock down, say so, work, answer.

Started by `archer.research.sandbox.process` with the request on stdin and the descriptor for
answers, one JSON object per line, as its argument.
"""

import importlib
import json
import os
import sys
from collections.abc import Callable
from typing import Any

from archer.research.sandbox.limits import Limits
from archer.research.sandbox.lockdown import end_with_parent, lock_down

Send = Callable[[dict[str, Any]], None]


def main(answers: int, parent: int) -> None:
    """Do the job that stdin asks for and leave. The job's module is one of Archer's own."""
    end_with_parent()
    if os.getppid() != parent:
        return
    request = json.loads(sys.stdin.buffer.read())
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    job = importlib.import_module(request["job"])
    job.prepare(request["data"])

    def send(answer: dict[str, Any]) -> None:
        line = json.dumps(answer).encode() + b"\n"
        while line:
            line = line[os.write(answers, line) :]

    send({"protection": lock_down(Limits(**request["limits"]), request["layers"])})
    job.work(request["data"], send)
    os._exit(0)
