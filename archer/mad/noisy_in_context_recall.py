"""Noisy recall: in-context recall with pairs of noise tokens in between.

Vocabulary 8 of which 2 noise, length 16, noise 0.3 (keys 0 to 2, values 3 to 5, noise 6 and 7;
a dot is not scored), a test instance:

    inputs    1  5  2  3  1  5  0  3  2  3  6  7  1  5  2
    labels    .  .  .  .  5  .  .  .  3  .  .  .  5  .  3

Each slot before the probe holds two uniform noise tokens with probability frac_noise, except one
protected slot. The protected slot is uniform over all length / 2 slots, the probe's own included,
and then protects nothing; a sequence that would hold noise alone makes mad-lab crash and is
redrawn here. Everything else, labels too, is in-context recall.

Poli et al. 2024, arXiv 2403.17844; mad-lab's `generate_noisy_in_context_recall_instance`.
"""

import numpy as np

from archer.mad.in_context_recall import recall
from archer.mad.settings import Setting


def generate(
    setting: Setting, n: int, *, train: bool, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and targets, int32 [n, seq_len - 1]; see the file's docstring for what is scored."""
    noise = _noise_slots(setting, n, rng)
    while (empty := noise.all(axis=1)).any():
        noise[empty] = _noise_slots(setting, int(empty.sum()), rng)
    return recall(setting, noise, train=train, rng=rng)


def _noise_slots(setting: Setting, n: int, rng: np.random.Generator) -> np.ndarray:
    """Which slots before the probe hold noise, bool [n, seq_len / 2 - 1]."""
    slots = setting.seq_len // 2
    noise = rng.random((n, slots)) < setting.frac_noise
    noise[np.arange(n), rng.integers(slots, size=n)] = False  # may fall on the probe's own slot
    return noise[:, :-1]
