"""Selective copying: find the tokens among the blanks, then repeat them in order.

Vocabulary 6, length 14, 3 tokens to copy (data 0 to 3, 4 is blank, 5 is copy; a dot is not scored):

    inputs    4  4  2  4  4  3  4  4  4  1  5  4  4  4
    labels    .  .  .  .  .  .  .  .  .  .  .  2  3  1

n uniform data tokens; each of length - 2n - 1 blanks goes before one of them, uniformly chosen,
hence never between the last token and the copy token that follows it. Then n blanks, where the n
tokens are scored, in training and in test alike.

Poli et al. 2024, arXiv 2403.17844; mad-lab's `generate_selective_copying_instance` (there blanks
are placed by NumPy's global random state; here by the split's own stream).
"""

import numpy as np

from archer.mad.sequences import IGNORE
from archer.mad.settings import Setting


def generate(
    setting: Setting, n: int, *, train: bool, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and targets, int32 [n, seq_len]; the last blanks are scored, in training and test."""
    count = setting.num_tokens_to_copy
    blank, copy = setting.vocab_size - 2, setting.vocab_size - 1
    tokens = rng.integers(blank, size=(n, count), dtype=np.int32)
    inputs = np.full((n, setting.seq_len), blank, dtype=np.int32)
    blanks = setting.seq_len - 2 * count - 1
    np.put_along_axis(inputs, _places(n, count, blanks, rng), tokens, axis=1)
    inputs[:, count + blanks] = copy
    targets = np.full_like(inputs, IGNORE)
    targets[:, -count:] = tokens
    return inputs, targets


def _places(n: int, count: int, blanks: int, rng: np.random.Generator) -> np.ndarray:
    """Where each token stands, int64 [n, count], once every blank chose the token it precedes."""
    chosen = rng.integers(count, size=(n, blanks)) + count * np.arange(n)[:, None]
    before = np.bincount(chosen.ravel(), minlength=n * count).reshape(n, count)
    return before.cumsum(axis=1) + np.arange(count)
