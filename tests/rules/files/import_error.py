"""A rule file with a mistake, for the tests."""

import not_a_module

from archer import Rule


class MyRule(Rule):
    x = not_a_module.x
