"""The six MAD tasks (Poli et al. 2024, arXiv 2403.17844): settings, data and how they are scored.

A task at one difficulty is a `Setting`; `split(setting, name, seed)` gives its data as arrays.
"""

from archer.mad.data import Dataset, Split, dataset, split
from archer.mad.settings import COLUMNS, TASKS, Setting, baseline

__all__ = ["COLUMNS", "TASKS", "Dataset", "Setting", "Split", "baseline", "dataset", "split"]
