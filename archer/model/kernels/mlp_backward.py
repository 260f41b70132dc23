"""Backward through the second half of a block; see `mlp`.

`mlp_inner` computes the inner activations again and leaves what the weights' products read,
`mlp_stream` takes their gradients back to the stream, `mlp_map` the stream's through the map. One
kernel for all three took the same time.
"""

from torch import Tensor

from archer.model.kernels.mlp import Kept, Weights
from archer.model.kernels.mlp_inner import inner_backward
from archer.model.kernels.mlp_map import map_backward
from archer.model.kernels.mlp_stream import stream_backward


def mlp_backward(
    o: Tensor, kept: Kept, dz: Tensor, weights: Weights, eps: float, gradients: Weights
) -> tuple[Tensor, Tensor]:
    """do, as o, and dy (of x too) from dz; sets the weights' gradients.

    All tensors [P, N, D] are in the compute type. The gradient of the stream is one of them:
    autocast would keep it in fp32.
    """
    dab = inner_backward(kept, dz, weights, gradients)
    dy = stream_backward(kept, dz, dab, weights)
    return map_backward(o, dy, weights, eps, gradients), dy
