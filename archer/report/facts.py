"""One cell of the table as reports see it: its score, its spread, what may be said of it."""

from dataclasses import dataclass

AVERAGE = "Average"
NAN = float("nan")


@dataclass(frozen=True)
class Facts:
    """One cell of the table: its score over seeds, and its difference to the baseline.

    score, low, high (95 %), sd over n seeds; method: how the interval was made. difference,
    d_low, d_high (95 %), effect (d_z), p (Holm) and verdict as in `archer.stats.compare`, verdict
    "baseline" in the baseline's row and "no score" where there is none to compare. Numbers are nan
    where they do not exist.
    """

    rule: str
    column: str
    score: float
    sd: float = NAN
    n: int = 0
    low: float = NAN
    high: float = NAN
    method: str = ""
    difference: float = NAN
    d_low: float = NAN
    d_high: float = NAN
    effect: float = NAN
    p: float = NAN
    verdict: str = "no score"
    seeds_needed: int | None = None
    statement: str | None = None

    @property
    def identical(self) -> bool:
        return self.verdict == "identical by construction"
