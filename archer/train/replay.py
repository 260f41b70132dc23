"""Work on a GPU recorded once as a CUDA graph and replayed: no host work per call."""

import warnings
from collections.abc import Callable

import torch

WARM_UP = 2  # Triton compiles and cuBLAS allocates in these, outside the recording


class Replay:
    """Calls `work`, or its recording.

    work: takes and returns nothing, reads and writes tensors that stay where they are, and can be
    called any number of times before the recording is used (`ready` is called after that, to undo
    what the calls did). On a CPU, or where recording fails (a warning says why), calls are plain.
    Raises torch.OutOfMemoryError.
    """

    def __init__(
        self, work: Callable[[], None], device: torch.device, ready: Callable[[], None]
    ) -> None:
        self.call = work
        if device.type != "cuda":
            return
        try:
            self.call = _recorded(work, device)
        except torch.OutOfMemoryError:
            raise  # calls without a recording want as much
        except RuntimeError as error:
            why = str(error).strip().splitlines()[0] if str(error) else type(error).__name__
            warnings.warn(f"the step is not recorded as a CUDA graph: {why}", stacklevel=2)
            torch.cuda.synchronize(device)
        ready()

    def __call__(self) -> None:
        self.call()


def _recorded(work: Callable[[], None], device: torch.device) -> Callable[[], None]:
    stream: torch.cuda.Stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(stream):
        for _ in range(WARM_UP):
            work()
    torch.cuda.current_stream(device).wait_stream(stream)
    torch.cuda.synchronize(device)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=stream):
        work()
    return graph.replay
