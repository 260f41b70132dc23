"""The 66 settings of the MAD benchmark: six tasks, each at several difficulties.

A setting is a task at one difficulty; its fields are named as in mad-lab's configuration
(Poli et al. 2024, arXiv 2403.17844; athms/mad-lab). A task is measured at its baseline and
at variations of it that change one field at a time.
"""

import difflib
from dataclasses import dataclass, fields, replace
from typing import Any

from archer.errors import ArcherError
from archer.mad.checks import check


@dataclass(frozen=True)
class Setting:
    """A task at one difficulty. Raises ArcherError if no instance of it could exist."""

    task: str
    vocab_size: int
    seq_len: int
    num_train_examples: int = 12_800
    num_test_examples: int = 1_280
    num_validation_examples: int = 1_280
    noise_vocab_size: int = 0
    frac_noise: float = 0.0
    num_tokens_to_copy: int = 0
    k_motif_size: int = 1
    v_motif_size: int = 1

    def __post_init__(self) -> None:
        _check_task(self.task)
        check(self)
        object.__setattr__(self, "frac_noise", float(self.frac_noise))

    @property
    def name(self) -> str:
        """The task and every field that is not the baseline's: "memorization/vocab_size=512"."""
        base = _BASELINES[self.task]
        changed = [
            f"{field.name}={getattr(self, field.name)}"
            for field in fields(self)
            if getattr(self, field.name) != getattr(base, field.name)
        ]
        return "/".join([self.task, ",".join(changed)]) if changed else self.task

    @property
    def length(self) -> int:
        """Positions in the arrays; the shift by one costs in-context and noisy recall one."""
        shifted = self.task in ("in-context-recall", "noisy-in-context-recall")
        return self.seq_len - 1 if shifted else self.seq_len

    @property
    def recall_vocab(self) -> tuple[int, int]:
        """(number of keys, number of keys and values): keys come first, then values.

        The rest of the vocabulary is noise (noisy recall), padding (fuzzy recall) or the
        insert token (memorization).
        """
        special = 1 if self.task in ("fuzzy-in-context-recall", "memorization") else 0
        n = self.vocab_size - self.noise_vocab_size - special
        return n // 2, n


def baseline(task: str) -> Setting:
    """The protocol's baseline setting of a task. Raises ArcherError for an unknown task."""
    _check_task(task)
    return _BASELINES[task]


def settings(task: str) -> list[Setting]:
    """The protocol's settings of a task: its baseline, then one field changed at a time."""
    base = baseline(task)
    changes: list[dict[str, Any]] = [
        {field: value} for field, values in _CHANGES[task].items() for value in values
    ]
    return [base, *(replace(base, **change) for change in changes)]


def _check_task(task: str) -> None:
    if task in COLUMNS:
        return
    near = difflib.get_close_matches(str(task).replace("_", "-").lower(), TASKS, n=2, cutoff=0.4)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    raise ArcherError(
        f"unknown task {task!r}: {hint}the tasks are {', '.join(TASKS)} (rules go before --tasks)"
    )


COLUMNS: dict[str, str] = {
    "compression": "Compress",
    "in-context-recall": "Context Recall",
    "fuzzy-in-context-recall": "Fuzzy Recall",
    "memorization": "Memorize",
    "noisy-in-context-recall": "Noisy Recall",
    "selective-copying": "Selective Copy",
}
TASKS: tuple[str, ...] = tuple(COLUMNS)

_BASELINES: dict[str, Setting] = {
    s.task: s
    for s in (
        Setting("compression", 16, 32),
        Setting("in-context-recall", 16, 128),
        Setting("fuzzy-in-context-recall", 16, 128, k_motif_size=3, v_motif_size=3),
        Setting("memorization", 256, 32, num_train_examples=256),
        Setting("noisy-in-context-recall", 32, 128, noise_vocab_size=16, frac_noise=0.2),
        Setting("selective-copying", 16, 256, num_tokens_to_copy=16),
    )
}

_FEWER = (6_400, 3_200, 1_600, 800)
_RECALL: dict[str, tuple[float, ...]] = {
    "vocab_size": (32, 64, 128),
    "seq_len": (256, 512, 1024),
    "num_train_examples": _FEWER,
}
_CHANGES: dict[str, dict[str, tuple[float, ...]]] = {
    "compression": _RECALL | {"seq_len": (64, 128, 256)},
    "in-context-recall": _RECALL,
    "fuzzy-in-context-recall": _RECALL,
    "memorization": {"vocab_size": (512, 1024, 2048, 4096, 8192)},
    "noisy-in-context-recall": _RECALL
    | {"vocab_size": (48, 80, 144), "frac_noise": (0.4, 0.6, 0.8)},
    "selective-copying": _RECALL | {"seq_len": (512, 1024), "num_tokens_to_copy": (32, 64, 96)},
}
