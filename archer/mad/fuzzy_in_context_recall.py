"""Fuzzy recall: in-context recall where keys and values are motifs of several tokens.

Vocabulary 7, length 28, motifs up to 2 (keys from 0 to 2, values from 3 to 5, 6 pads; a dot is not
scored), a test instance:

    inputs    6  6  6  6  2  0  4  5  2  0  4  5  0  2  5  3  2  1  4  2  1  4  2  0  4  5  2  1
    labels    .  .  .  .  .  .  .  .  .  4  5  .  .  .  .  .  .  .  .  .  4  .  .  4  5  .  .  4

A motif is a uniform permutation of tokens of its kind, so it repeats none. Lengths are uniform
from 1 to the longest, of keys in training too; in test every key has the longest length. A key
(motifs of different lengths are different keys) keeps the first value drawn for it.

The probe, a pair drawn first, ends the sequence. Pairs are drawn before it until no more than
probe + longest pair tokens are left; at the first pair that begins at or after a uniform position
in [0, length - 2 probe) the probe is put in, unless its key has come by chance. When the position
lies behind the last pair the probe is never presented: about 2 % of the test sequences at length
128 end in a question without an answer. Pads lead, from 2 to longest pair + 1 of them; the shift
by one then drops the last of length + 1 tokens.

Test labels score the value of every key already seen, and the final probe's value always.
Training labels score every next token, pads too (a quirk of mad-lab's, kept).

Poli et al. 2024, arXiv 2403.17844; mad-lab's `generate_fuzzy_in_context_recall_instance`,
multi-query. That one lists and shuffles every permutation of the vocabulary for each instance.
"""

from typing import NamedTuple

import numpy as np

from archer.mad.sequences import IGNORE, first_index
from archer.mad.settings import Setting


class _Pairs(NamedTuple):
    """(key, value) pairs. Column 0 is the probe, the others are drawn to stand before it."""

    tokens: np.ndarray  # int32 [n, m, k_motif + v_motif]: the key's room, then the value's
    filled: np.ndarray  # bool, the same shape: a shorter motif leaves the end of its room empty
    ids: np.ndarray  # int64 [n, m]: equal where keys are equal
    first: np.ndarray  # int64 [n, m]: the first column with the same key
    sizes: np.ndarray  # int64 [n, m]: tokens in the pair


def generate(
    setting: Setting, n: int, *, train: bool, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and targets, int32 [n, seq_len]; see the file's docstring for what is scored."""
    pairs = _draw_pairs(setting, n, train, rng)
    order, used = _arrange(setting, pairs, rng)
    rows = np.arange(n)[:, None]
    tokens = pairs.tokens[rows, order]
    filled = pairs.filled[rows, order] & used[..., None]
    # sequences end together: a row's tokens fill its last places, in order
    places = np.arange(setting.seq_len + 1) > setting.seq_len - filled.sum(axis=(1, 2))[:, None]
    inputs = np.full(places.shape, setting.vocab_size - 1, dtype=np.int32)
    inputs[places] = tokens[filled]
    if train:
        return inputs[:, :-1], inputs[:, 1:]
    scored = first_index(pairs.ids[rows, order]) < np.arange(order.shape[1])
    scored[:, -1] = True
    tokens[..., : setting.k_motif_size] = IGNORE
    tokens[~scored] = IGNORE
    targets = np.full_like(inputs, IGNORE)
    targets[places] = tokens[filled]
    return inputs[:, :-1], targets[:, 1:]


def _draw_pairs(setting: Setting, n: int, train: bool, rng: np.random.Generator) -> _Pairs:
    """The probe and more pairs than a sequence can hold; equal keys have equal values."""
    keys, both = setting.recall_vocab
    k_motif, v_motif = setting.k_motif_size, setting.v_motif_size
    shortest = 2 if train else k_motif + 1
    shape = (n, 1 + setting.seq_len // shortest)
    key, key_filled = _motifs(shape, k_motif, keys, 1 if train else k_motif, rng)
    value, value_filled = _motifs(shape, v_motif, both - keys, 1, rng)
    digits = np.where(key_filled, key + 1, 0)
    ids = digits @ (keys + 1) ** np.arange(k_motif)
    first = first_index(ids)
    rows = np.arange(n)[:, None]
    tokens = np.concatenate([key, keys + value[rows, first]], axis=2)
    filled = np.concatenate([key_filled, value_filled[rows, first]], axis=2)
    return _Pairs(tokens.astype(np.int32), filled, ids, first, filled.sum(axis=2))


def _motifs(
    shape: tuple[int, int], longest: int, vocab: int, shortest: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Motifs without a repeated token, int64 [*shape, longest], and which of it is filled, bool."""
    tokens = np.empty((*shape, longest), dtype=np.int64)
    for i in range(longest):
        token = rng.integers(vocab - i, size=shape)
        for earlier in np.moveaxis(np.sort(tokens[..., :i], axis=2), 2, 0):
            token += token >= earlier  # skip what is taken: uniform over the rest
        tokens[..., i] = token
    lengths = rng.integers(shortest, longest + 1, size=shape)
    return tokens, np.arange(longest) < lengths[..., None]


def _arrange(
    setting: Setting, pairs: _Pairs, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The column that stands at each place, int64 [n, m + 1], and whether the place is used, bool.

    The drawn pairs in order, the probe put among them, and the probe again at the end.
    """
    probe_size = pairs.sizes[:, :1]
    stop = setting.seq_len - probe_size - setting.k_motif_size - setting.v_motif_size
    wanted = rng.integers(setting.seq_len - 2 * probe_size)
    drawn = pairs.sizes[:, 1:]
    starts = drawn.cumsum(axis=1) - drawn
    late = starts >= wanted
    place = late.argmax(axis=1)[:, None]
    by_chance = ((pairs.first[:, 1:] == 0) & ~late).any(axis=1)[:, None]
    place[by_chance] = drawn.shape[1]
    at = np.arange(drawn.shape[1] + 1)
    order = np.where(at == place, 0, at + (at < place))
    sizes = np.take_along_axis(pairs.sizes, order, axis=1)
    used = sizes.cumsum(axis=1) - sizes < stop
    return (
        np.pad(order, ((0, 0), (0, 1)), constant_values=0),
        np.pad(used, ((0, 0), (0, 1)), constant_values=True),
    )
