"""A rule file with a mistake, for the tests."""

from archer import Rule as Rule

x = 1
