"""A rule file with a mistake, for the tests."""

from archer import Rule, Signal


class MyRule(Rule):
    x = Signal("sigmoidal")
