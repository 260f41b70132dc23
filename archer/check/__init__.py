"""Is this a valid rule? Every check by name, with what went wrong and where."""

from archer.check.checks import CHECKS, check_file, checked_graph, contender
from archer.check.report import CheckReport, CheckResult

__all__ = ["CHECKS", "CheckReport", "CheckResult", "check_file", "checked_graph", "contender"]
