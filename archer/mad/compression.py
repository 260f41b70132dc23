"""Compression: squeeze a sequence into its last position and rebuild it from there.

Vocabulary 6, length 8 (0 to 4 are data, 5 is the query token):

    inputs    1  3  4  3  0  2  4  5
    labels    1  3  4  3  0  2  4  5

Length - 1 independent uniform data tokens, then the query token. The labels are the inputs; every
position is scored, the last one (always the query token) too, in training and in test alike. The
auto-encoder backbone is what makes it a memory task: it decodes from the last position alone.

Poli et al. 2024, arXiv 2403.17844; mad-lab's `generate_compression_instance`.
"""

import numpy as np

from archer.mad.settings import Setting


def generate(
    setting: Setting, n: int, *, train: bool, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and targets, int32 [n, seq_len]; every position is scored, in training and test."""
    query = setting.vocab_size - 1
    inputs = np.full((n, setting.seq_len), query, dtype=np.int32)
    inputs[:, :-1] = rng.integers(query, size=(n, setting.seq_len - 1), dtype=np.int32)
    return inputs, inputs.copy()
