"""A worker process: reads populations from stdin, writes progress and results to stdout.

One JSON object per line each way. Started by `archer.mad.runner` as `python -m archer.mad.worker
DEVICE THREADS`; it ends when its stdin closes, when nobody reads its stdout or is its parent any
more, and on SIGTERM; a population it then trains leaves its checkpoints.
"""

import contextlib
import ctypes
import gc
import json
import os
import signal
import sys
import traceback
from dataclasses import asdict
from typing import Any, TextIO

TERMINATED = 128 + signal.SIGTERM


class Stop:
    """Whether this worker is to end: it was told so (SIGTERM), or who started it is gone."""

    def __init__(self) -> None:
        self.parent, self.told, self.busy = os.getppid(), False, False
        signal.signal(signal.SIGTERM, self._tell)

    def _tell(self, *_: object) -> None:
        self.told = True
        if not self.busy:
            os._exit(TERMINATED)  # nothing is left to be written

    def __call__(self) -> bool:
        return self.told or os.getppid() != self.parent


def main() -> None:
    device, threads = sys.argv[1], int(sys.argv[2])
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # a stray print must not enter the protocol
    stop = Stop()
    import torch

    torch.set_num_threads(threads)
    for line in sys.stdin:
        stop.busy = True
        serve(json.loads(line), device, out, stop)
        stop.busy = False
        if stop.told:
            os._exit(TERMINATED)  # nothing is left to be written


def serve(message: dict[str, Any], device: str, out: TextIO, stop: Stop) -> None:
    """Train one population; an exception becomes an answer, not the end of the worker."""
    from archer.errors import one_line
    from archer.mad.plan import Population
    from archer.mad.work import Keep, train
    from archer.train.population import Ended, StoppedError
    from archer.train.results import result_to_json

    def send(**answer: Any) -> None:
        out.write(json.dumps(answer) + "\n")
        out.flush()

    def tell(ended: Ended) -> None:
        send(ended=[[member, result_to_json(result)] for member, result in ended])

    try:
        population, keep = Population.from_json(message["population"]), Keep(**message["keep"])
        show = lambda progress: send(progress=asdict(progress))  # noqa: E731
        at_a_time = message["at_a_time"]
        train(population, device, show, on_end=tell, stop=stop, keep=keep, at_a_time=at_a_time)
        answer: dict[str, Any] = {"done": True}
    except StoppedError:
        os._exit(TERMINATED)  # nothing is left to be written
    except BrokenPipeError:
        raise
    except Exception as error:
        answer = {"error": one_line(error), "trace": traceback.format_exc()}
    give_back()  # before the answer, on which another worker may take this one's room
    send(**answer)


def give_back() -> None:
    """Freed memory goes back to the system, which within a population it does not (`Pool`)."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):  # not glibc
        ctypes.CDLL(None).malloc_trim(0)


if __name__ == "__main__":
    try:
        main()
    except BrokenPipeError:
        os._exit(1)
