"""A rule file with a mistake, for the tests."""

import sys

sys.exit("gone")
