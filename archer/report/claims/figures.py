"""A stated number, and whether a true one is what it rounds."""

from dataclasses import dataclass
from typing import Literal

Fit = Literal["yes", "rounding", "no"]
TINY = 1e-9


@dataclass(frozen=True)
class Figure:
    """A number as it stands in the text; bare: one without a unit in a table of percentages.

    value: unsigned; sign: "+", "-" or "" as written; decimals: digits behind the point; unit: "",
    "%", "pp" or "x"; approx: "about" and the like; bound: ">" (at least, above), "<" or "".
    """

    value: float
    decimals: int
    unit: str = ""
    sign: str = ""
    approx: bool = False
    bound: str = ""
    spread: float | None = None
    bare: bool = False

    @property
    def signed(self) -> float:
        return -self.value if self.sign == "-" else self.value

    def as_fraction(self) -> tuple["Figure", ...]:
        """Readings in units of a score in [0, 1]: 77.9 % and 77.9 are 0.779; 0.779 is itself."""
        if self.unit in ("%", "pp"):
            return (self._scaled(),)
        if self.unit == "points":
            return (self._scaled(), self._plain())
        if self.value > 1.0:
            return (self._scaled(),)
        return (self,)

    def _scaled(self) -> "Figure":
        return Figure(
            self.value / 100, self.decimals + 2, "", self.sign, self.approx, self.bound, self.spread
        )

    def _plain(self) -> "Figure":
        return Figure(
            self.value, self.decimals, "", self.sign, self.approx, self.bound, self.spread
        )

    def fits(self, true: float, *, signed: bool = False) -> Fit:
        """Is this figure `true` rounded ("yes"), that with a wrong last digit, or neither?"""
        stated = self.signed if signed else self.value
        unit = 10.0**-self.decimals
        if self.bound:
            return self._bounds(stated, true, unit)
        off = abs(stated - true)
        if off <= unit / 2 + TINY or (self.approx and off <= self._slack(unit) + TINY):
            return "yes"
        last_digit = abs(stated - round(true, self.decimals)) <= unit * 1.001
        # One unit of a one-digit figure can be as large as the figure: that is no last digit.
        return "rounding" if last_digit and off <= abs(true) / 2 + TINY else "no"

    def _bounds(self, stated: float, true: float, unit: float) -> Fit:
        beyond = true - stated if self.bound == ">" else stated - true
        if beyond >= -TINY:
            return "yes"
        return "rounding" if beyond >= -min(unit / 2, 5e-4) else "no"

    def _slack(self, unit: float) -> float:
        """ "About 40 %" is rounder than its digits say; "about 0.437" is not."""
        digits = round(self.value / unit)
        if digits >= 10 and digits % 10 == 0:
            return 3 * unit
        if digits >= 10 and digits % 5 == 0:
            return 2 * unit
        return unit
