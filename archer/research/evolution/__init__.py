"""Evolution: rules made of parts, changed one part at a time, with reasons."""

from archer.research.evolution.control import RandomControl
from archer.research.evolution.proposer import Evolution

__all__ = ["Evolution", "RandomControl"]
