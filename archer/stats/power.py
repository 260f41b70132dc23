"""What a number of seeds can and cannot show."""

import itertools
import math

from statsmodels.stats.power import TTestPower

ALPHA = 0.05
POWER = 0.8
MOST_SEEDS = 1000


def smallest_p(n: int, sides: int = 2) -> float:
    """The least p that the exact sign-flip test can give with n seeds: sides / 2**n."""
    return min(1.0, sides / 2.0**n)


def seeds_without_spread(sides: int, family: int) -> int:
    """Seeds from which the sign-flip test can settle differences that are all one number."""
    return next(n for n in itertools.count(3) if smallest_p(n, sides) < ALPHA / family)


def too_few(n: int, family: int) -> str | None:
    """Why n seeds cannot reach significance by any test, or None when one can.

    One seed shows no spread at all. With two, the t test has one degree of freedom and would have
    to trust it for the shape of the noise: no claim is made from that.
    """
    if n == 0:
        return "no seed in common with the baseline"
    if n == 1:
        return "one seed: nothing says how much a second one would differ"
    if n == 2:
        return "two seeds: the sign-flip test cannot fall below p = 0.5; no significance is claimed"
    if smallest_p(n) > ALPHA / family:
        return (
            f"{n} seeds: the sign-flip test cannot fall below p = {smallest_p(n):.3g}; "
            "the p-value rests on the t test's assumption of normal noise"
        )
    return None


def seeds_needed(difference: float, sd: float, family: int = 1) -> int | None:
    """Seeds for a paired t test to see `difference` (power 0.8, level 0.05 / family), or None.

    None: no spread was seen, or more than 1000 seeds would be needed.
    """
    if not (sd > 0 and difference != 0 and math.isfinite(sd) and math.isfinite(difference)):
        return None
    effect = abs(difference) / sd
    power = TTestPower()

    def reaches(n: int) -> bool:
        # statsmodels gives nan where the noncentrality is so large that the power is 1
        return not power.power(effect, n, ALPHA / family) < POWER

    if not reaches(MOST_SEEDS):
        return None
    low, high = 2, MOST_SEEDS  # two seeds are never tested: see too_few
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if reaches(middle) else (middle, high)
    return high
