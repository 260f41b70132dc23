"""Which settings are possible: each task's demands on its fields, with the fix."""

from collections.abc import Callable
from dataclasses import fields
from typing import TYPE_CHECKING

from archer.errors import ArcherError

if TYPE_CHECKING:
    from archer.mad.settings import Setting


def check(s: "Setting") -> None:
    """Raise ArcherError, naming the field and the fix, unless instances of the setting exist."""
    _check_types(s)
    _check_unused(s)
    _CHECKS[s.task](s)


def _require(ok: bool, setting: "Setting", field: str, fix: str) -> None:
    if not ok:
        value = getattr(setting, field)
        raise ArcherError(f"{setting.task}: {field}={value!r} is impossible, {fix}")


def _check_types(s: "Setting") -> None:
    for field in fields(s)[1:]:
        value = getattr(s, field.name)
        if field.name == "frac_noise":
            number = isinstance(value, int | float) and not isinstance(value, bool)
            _require(number and 0 <= value < 1, s, field.name, "use a number in [0, 1)")
            continue
        integer = isinstance(value, int) and not isinstance(value, bool)
        _require(integer and value >= 0, s, field.name, "use a whole number, at least 0")
    for name in ("num_train_examples", "num_test_examples", "num_validation_examples"):
        _require(getattr(s, name) >= 1, s, name, "use at least 1")


def _check_unused(s: "Setting") -> None:
    for field in fields(s):
        owner = _OWNER.get(field.name, s.task)
        if owner != s.task:
            fix = f"leave it at {field.default!r}: only {owner} uses it"
            _require(getattr(s, field.name) == field.default, s, field.name, fix)


def _check_compression(s: "Setting") -> None:
    _require(s.vocab_size >= 2, s, "vocab_size", "use at least 2 (one token is the query)")
    _require(s.seq_len >= 2, s, "seq_len", "use at least 2")


def _check_recall(s: "Setting") -> None:
    low = s.noise_vocab_size + 2
    _require(s.vocab_size >= low, s, "vocab_size", f"use at least {low}: a key, a value and noise")
    even = s.seq_len >= 4 and s.seq_len % 2 == 0
    _require(even, s, "seq_len", "use an even number, at least 4: a sequence is (key, value) pairs")
    fix = "use at least 1 where frac_noise > 0"
    _require(s.noise_vocab_size >= 1 or s.frac_noise == 0, s, "noise_vocab_size", fix)


def _check_fuzzy(s: "Setting") -> None:
    for field in ("k_motif_size", "v_motif_size"):
        _require(getattr(s, field) >= 1, s, field, "use at least 1")
    keys, both = s.recall_vocab
    fix = f"{keys} keys and {both - keys} values are too few for motifs that repeat no token: "
    fix += f"use at least {2 * max(s.k_motif_size, s.v_motif_size) + 1}"
    enough = keys >= s.k_motif_size and both - keys >= s.v_motif_size
    _require(enough, s, "vocab_size", fix)
    low = 2 * (s.k_motif_size + s.v_motif_size) + 1
    _require(s.seq_len >= low, s, "seq_len", f"use at least {low}: room for two longest pairs")
    # keys are numbered in base keys + 1, beside a column number, in 63 bits
    fits = (keys + 1) ** s.k_motif_size * s.seq_len < 2**62
    _require(fits, s, "k_motif_size", "use shorter keys or a smaller vocabulary")


def _check_memorization(s: "Setting") -> None:
    _require(s.vocab_size >= 3, s, "vocab_size", "use at least 3: a key, a value, the insert token")
    even = s.seq_len >= 2 and s.seq_len % 2 == 0
    _require(even, s, "seq_len", "use an even number: every key is followed by the insert token")


def _check_copying(s: "Setting") -> None:
    _require(s.vocab_size >= 3, s, "vocab_size", "use at least 3: blank, copy and one to copy")
    _require(s.num_tokens_to_copy >= 1, s, "num_tokens_to_copy", "use at least 1")
    low = 2 * s.num_tokens_to_copy + 2
    fix = f"use at least {low} = 2 * num_tokens_to_copy + 2, or copy fewer tokens"
    _require(s.seq_len >= low, s, "seq_len", fix)


_CHECKS: dict[str, Callable[["Setting"], None]] = {
    "compression": _check_compression,
    "in-context-recall": _check_recall,
    "fuzzy-in-context-recall": _check_fuzzy,
    "memorization": _check_memorization,
    "noisy-in-context-recall": _check_recall,
    "selective-copying": _check_copying,
}

_OWNER: dict[str, str] = {
    "noise_vocab_size": "noisy-in-context-recall",
    "frac_noise": "noisy-in-context-recall",
    "num_tokens_to_copy": "selective-copying",
    "k_motif_size": "fuzzy-in-context-recall",
    "v_motif_size": "fuzzy-in-context-recall",
}
