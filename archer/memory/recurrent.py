"""The oracle: DeltaNet and Gated DeltaNet token by token, as plainly as they can be written.

    S_t = exp(g_t) S_{t-1}                              (1)
    S_t = S_t + k_t (beta_t (v_t - S_t^T k_t))^T        (2)
    o_t = S_t^T q_t * d_k ** -0.5                       (3)

Yang et al. 2024, arXiv 2406.06484 (g = 0) and arXiv 2412.06464. Slow on purpose: every faster
path is held against it, in outputs and gradients.
"""

import torch
from torch import Tensor


def recurrent(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    beta: Tensor,
    g: Tensor | None = None,
    *,
    initial_state: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Output [batch, length, heads, d_v] and final state [batch, heads, d_k, d_v].

    q, k: [batch, length, heads, d_k], L2-normalised by the caller; v: [batch, length, heads, d_v];
    beta, g (log-decay <= 0): [batch, length, heads]. Computes in the dtype of its inputs.
    """
    batch, length, heads, d_k = q.shape
    state = q.new_zeros(batch, heads, d_k, v.shape[-1]) if initial_state is None else initial_state
    outputs = []
    for t in range(length):
        k_t, v_t, beta_t = k[:, t], v[:, t], beta[:, t, :, None]
        if g is not None:
            state = g[:, t, :, None, None].exp() * state  # Eq. (1)
        error = v_t - torch.einsum("bhkv,bhk->bhv", state, k_t)
        state = state + torch.einsum("bhk,bhv->bhkv", k_t, beta_t * error)  # Eq. (2)
        outputs.append(torch.einsum("bhkv,bhk->bhv", state, q[:, t]) * d_k**-0.5)  # Eq. (3)
    return torch.stack(outputs, dim=1), state
