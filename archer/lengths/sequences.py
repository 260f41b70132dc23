"""Long sequences of in-context recall, with the keys and values a model was trained on.

`kept`: the task itself, longer: a key keeps its value for the whole sequence and is asked again
and again. `renewed`: test instances of the trained length one after the other, with nothing
between them, so that every key gets a new value again and again; the latest one counts. Values
of a trained length of 6 (three pairs), a dot is not scored:

    kept      0 4  1 3  0 4  1 3  0 4  0 4      answered: the second 4, the second 3, ...
    renewed   0 4  1 3  0 4  0 3  1 4  0 3      answered: the second 4, the last 3
"""

from dataclasses import replace

import numpy as np

from archer.errors import ArcherError
from archer.mad import in_context_recall
from archer.mad.data import PROTOCOL_SEED
from archer.mad.sequences import IGNORE
from archer.mad.settings import Setting

TASK = "in-context-recall"
KEPT, RENEWED = "kept", "renewed"
BINDINGS = (KEPT, RENEWED)


def long_sequences(
    setting: Setting, bindings: str, length: int, n: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and targets, int32 [n, length]: what follows each token, where a model can know it.

    The same for every rule; another stream of random numbers than any split's. Raises ArcherError
    for a length that no sequence of pairs has.
    """
    if length % 2 or length < 4:
        raise ArcherError(f"--length {length}: use an even number, at least 4: keys have values")
    if n < 1:
        raise ArcherError(f"--sequences {n}: use at least 1")
    rng = np.random.default_rng([PROTOCOL_SEED, seed, length, n, BINDINGS.index(bindings)])
    if bindings == KEPT:
        return _instances(replace(setting, seq_len=length), n, rng)
    each = -(-length // setting.seq_len)
    inputs, targets = (part.reshape(n, -1) for part in _instances(setting, n * each, rng))
    return inputs[:, :length], targets[:, :length]


def _instances(setting: Setting, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Test instances with their last token, which the task leaves out; nothing is scored after it.

    [n, seq_len] each.
    """
    inputs, targets = in_context_recall.generate(setting, n, train=False, rng=rng)
    end = np.full((n, 1), IGNORE, dtype=np.int32)
    return np.hstack([inputs, targets[:, -1:]]), np.hstack([targets, end])
