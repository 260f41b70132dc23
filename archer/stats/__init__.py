"""Statistics of scores: the seed is the unit of replication, families of tests are per task."""

from archer.stats.breakdown import breakdown, breaking_points
from archer.stats.equivalence import MARGIN, equivalence_p
from archer.stats.family import Pairs, judged
from archer.stats.holm import holm
from archer.stats.intervals import Interval, cell_summary, mean_interval, seed_scores
from archer.stats.paired import compare, paired_differences
from archer.stats.power import seeds_needed, smallest_p

__all__ = [
    "MARGIN",
    "Interval",
    "Pairs",
    "breakdown",
    "breaking_points",
    "cell_summary",
    "compare",
    "equivalence_p",
    "holm",
    "judged",
    "mean_interval",
    "paired_differences",
    "seed_scores",
    "seeds_needed",
    "smallest_p",
]
