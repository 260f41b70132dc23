"""Memorization: learn one fixed map from keys to values; nothing in the sequence helps.

Vocabulary 9, length 8 (keys 0 to 3, values 4 to 7, 8 is the insert token; a dot is not scored):

    inputs    3  8  0  8  3  8  0  8
    labels    .  7  .  4  .  7  .  4

Keys are uniform with replacement, each followed by the insert token, where its value is scored, in
training and in test alike. With n = vocabulary - 1, keys are [0, n // 2) and values [n // 2, n);
no two keys share a value. The map is mad-lab's own and the same for every seed and split. At
large vocabularies some keys of the test data are never met in training (256 x 16 draws), which
caps the accuracy: of k keys a share of 1 - (1 - 1/k)^4096 is met on average, 0.982, 0.865 and
0.632 at vocabularies 2048, 4096 and 8192.

Poli et al. 2024, arXiv 2403.17844; mad-lab's `generate_kv_map`, `generate_memorization_instance`.
"""

from functools import cache

import numpy as np

from archer.mad.sequences import IGNORE
from archer.mad.settings import Setting

MAP_SEED = 12345


@cache
def value_of_key(keys: int, both: int) -> np.ndarray:
    """The fixed map, int32 [keys]: the value of each key, a token in [keys, both). Read only."""
    rng = np.random.default_rng(MAP_SEED)
    shuffled_keys = np.arange(keys)
    values = np.arange(keys, both, dtype=np.int32)
    rng.shuffle(shuffled_keys)
    rng.shuffle(values)
    table = np.empty(keys, dtype=np.int32)
    table[shuffled_keys] = values[:keys]
    table.flags.writeable = False
    return table


def generate(
    setting: Setting, n: int, *, train: bool, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and targets, int32 [n, seq_len]; scored at the insert tokens, in training and test."""
    keys, both = setting.recall_vocab
    inputs = np.full((n, setting.seq_len), setting.vocab_size - 1, dtype=np.int32)
    inputs[:, ::2] = rng.integers(keys, size=(n, setting.seq_len // 2), dtype=np.int32)
    targets = np.full_like(inputs, IGNORE)
    targets[:, 1::2] = value_of_key(keys, both)[inputs[:, ::2]]
    return inputs, targets
