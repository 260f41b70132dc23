"""Trained models on sequences far longer than those they were trained on. See docs/lengths.md."""

from archer.lengths.files import Rebuilt, rebuild
from archer.lengths.measured import Measured, is_lengths_record
from archer.lengths.run import lengths

__all__ = ["Measured", "Rebuilt", "is_lengths_record", "lengths", "rebuild"]
