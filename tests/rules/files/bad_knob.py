"""A rule file with a mistake, for the tests."""

from archer import Knob, Rule


class MyRule(Rule):
    x = Knob(2.0, low=0.0, high=1.0)
