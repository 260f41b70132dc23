"""A worker process: reads populations from stdin, writes progress and results to stdout.

One JSON object per line each way. Started by `archer.mad.runner` as `python -m archer.mad.worker
DEVICE THREADS`; it ends when its stdin closes, or when nobody reads its stdout any more.
"""

import json
import os
import sys
import traceback
from dataclasses import asdict
from typing import Any, TextIO


def main() -> None:
    device, threads = sys.argv[1], int(sys.argv[2])
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # a stray print must not enter the protocol
    import torch

    torch.set_num_threads(threads)
    for line in sys.stdin:
        serve(json.loads(line), device, out)


def serve(message: dict[str, Any], device: str, out: TextIO) -> None:
    """Train one population; an exception becomes an answer, not the end of the worker."""
    from archer.errors import one_line
    from archer.mad.plan import Population
    from archer.mad.work import result_to_json, train

    def send(**answer: Any) -> None:
        out.write(json.dumps(answer) + "\n")
        out.flush()

    try:
        population = Population.from_json(message["population"])
        results = train(population, device, lambda p: send(progress=asdict(p)))
        send(results=[result_to_json(result) for result in results])
    except BrokenPipeError:
        raise
    except Exception as error:
        send(error=one_line(error), trace=traceback.format_exc())


if __name__ == "__main__":
    try:
        main()
    except BrokenPipeError:
        os._exit(1)
