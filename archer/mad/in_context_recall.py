"""In-context recall: read (key, value) pairs, answer each key that comes again with its value.

Vocabulary 6, length 16 (keys 0 to 2, values 3 to 5; a dot is not scored), a test instance:

    inputs    0  3  0  3  1  3  2  4  0  3  1  3  0  3  0
    labels    .  .  3  .  .  .  .  .  3  .  3  .  3  .  3

Length / 2 pairs. Keys are uniform with replacement; a key's value is drawn uniformly, once per
sequence, so several keys may share one. The last pair is the probe: each of the distinct keys
already presented is equally likely. The shift by one leaves length - 1 positions.

Test labels score the value after every key already seen. Training labels score every next token,
the unpredictable keys and first values too (a quirk of mad-lab's, kept).

Poli et al. 2024, arXiv 2403.17844; mad-lab's `generate_in_context_recall_instance`, multi-query.
"""

import numpy as np

from archer.mad.sequences import IGNORE, first_index
from archer.mad.settings import Setting


def generate(
    setting: Setting, n: int, *, train: bool, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and targets, int32 [n, seq_len - 1]; see the file's docstring for what is scored."""
    slots = setting.seq_len // 2 - 1
    return recall(setting, np.zeros((n, slots), dtype=bool), train=train, rng=rng)


def recall(
    setting: Setting, noise: np.ndarray, *, train: bool, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Recall with given noise slots, bool [n, seq_len / 2 - 1], True where a slot holds noise.

    Each row needs one slot without noise. Returns inputs and targets, int32 [n, seq_len - 1].
    """
    keys, both = setting.recall_vocab
    columns = np.arange(noise.shape[1])
    pairs = rng.integers([0, keys], [keys, both], size=(*noise.shape, 2), dtype=np.int32)
    first = first_index(np.where(noise, keys + columns, pairs[..., 0]))  # noise resembles no key
    pairs[..., 1] = np.take_along_axis(pairs[..., 1], first, axis=1)  # a key keeps its first value
    probe = _probe(pairs, ~noise & (first == columns), rng)
    pairs[noise] = rng.integers(both, setting.vocab_size, size=(noise.sum(), 2), dtype=np.int32)
    pairs = np.concatenate([pairs, probe], axis=1)
    tokens = pairs.reshape(len(pairs), -1)
    if train:
        return tokens[:, :-1], tokens[:, 1:]
    labels = np.full_like(pairs, IGNORE)
    scored = np.pad(first < columns, ((0, 0), (0, 1)), constant_values=True)
    labels[..., 1][scored] = pairs[..., 1][scored]
    return tokens[:, :-1], labels.reshape(tokens.shape)[:, 1:]


def _probe(pairs: np.ndarray, fresh: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One of the row's distinct keys with its value, int32 [n, 1, 2], each key equally likely."""
    slot = np.where(fresh, rng.random(fresh.shape), -1.0).argmax(axis=1)
    probe: np.ndarray = pairs[np.arange(len(pairs)), slot][:, None]
    return probe
