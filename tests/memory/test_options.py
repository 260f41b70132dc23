"""How the generated kernels are launched, without launching any."""

import pytest
import torch

from archer.memory.fused import kernel_chunk, launch_shape
from archer.memory.kernels import Kernels
from archer.memory.options import columns, options
from archer.rules.load import builtin_graph


@pytest.mark.parametrize(
    ("rule", "sequences", "chunk", "kernel", "width", "stages"),
    [
        # compiled for sm_90 with a stage more they took 246,784 and 233,472 bytes
        ("momentum", 192, 64, "forward", 64, 2),
        ("error_gated", 192, 64, "gradients", 128, 1),
        # these fit as they are
        ("gated_delta", 64, 32, "adjoint", 32, 2),
        ("gated_delta", 6144, 32, "forward", 64, 1),
        ("momentum", 6144, 64, "adjoint", 128, 2),
        ("adam", 64, 64, "adjoint", 32, 2),
    ],
)
def test_stages_fit_shared_memory(rule, sequences, chunk, kernel, width, stages):
    graph = builtin_graph(rule)
    q = torch.empty(sequences, 128, 1, 128, dtype=torch.bfloat16, device="meta")
    chunk = kernel_chunk(graph, chunk, 128, 128)
    learned = frozenset(knob.name for knob in graph.knobs)
    kernels = Kernels(graph, launch_shape(graph, q, q, chunk, unit=True), learned)
    assert (columns(kernels, kernel), options(kernels, kernel)["num_stages"]) == (width, stages)
