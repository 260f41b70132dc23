"""How much a confined process may use."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Limits of one confined process, counted from where it has imported what it needs.

    seconds: wall clock for each answer. cpu_seconds: processor time in all. memory: bytes on top
    of what Python and torch hold. answer, output: bytes of its answers, and of what it prints.
    start_seconds: wall clock to import torch.
    """

    seconds: float = 20.0
    cpu_seconds: int = 60
    memory: int = 2 << 30
    answer: int = 4 << 20
    output: int = 64 << 10
    start_seconds: float = 120.0
