"""Claims in reports, held against the table they speak of. See docs/claims.md."""

from archer.report.claims.check import verify, verify_file
from archer.report.claims.details import Details
from archer.report.claims.verdict import Verdict

__all__ = ["Details", "Verdict", "verify", "verify_file"]
