"""Launch options of the generated kernels, without launching any."""

import pytest
import torch

from archer.memory.fused import kernel_chunk, launch_shape
from archer.memory.generated import kernels_for
from archer.memory.launch import Launch, options
from archer.rules.load import builtin_graph

pytest.importorskip("triton")


@pytest.mark.parametrize(
    ("rule", "sequences", "chunk", "kernel", "columns", "stages"),
    [
        # compiled for sm_90 with a stage more they took 246,784 and 233,472 bytes
        ("momentum", 192, 64, "forward", 64, 2),
        ("error_gated", 192, 64, "gradients", 128, 1),
        # these fit as they are
        ("gated_delta", 192, 32, "adjoint", 64, 3),
        ("gated_delta", 6144, 32, "forward", 64, 3),
        ("momentum", 6144, 64, "adjoint", 128, 2),
        ("adam", 64, 64, "adjoint", 32, 2),
    ],
)
def test_stages_fit_shared_memory(rule, sequences, chunk, kernel, columns, stages):
    graph = builtin_graph(rule)
    q = torch.empty(sequences, 128, 1, 128, dtype=torch.bfloat16, device="meta")
    each = torch.empty(sequences, 128, 1, device="meta")
    chunk = kernel_chunk(graph, chunk, 128, 128)
    learned = frozenset(knob.name for knob in graph.knobs)
    compiled = kernels_for(graph, launch_shape(graph, q, q, chunk, unit=True), learned)
    g = each if compiled.kernels.has_decay else None
    knobs = (each[:, 0],) * len(compiled.kernels.knobs)
    launch = Launch(compiled, (q, q, q, each, g, *knobs, *(each for _ in compiled.kernels.signals)))
    assert (launch.columns(kernel), options(launch, kernel)["num_stages"]) == (columns, stages)
