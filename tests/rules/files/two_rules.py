"""A rule file with a mistake, for the tests."""

from archer import Rule


class First(Rule):
    pass


class Second(Rule):
    pass
