"""Records: published results with all that is needed to see them again. See docs/records.md."""

from archer.record.gather import Choice, gather
from archer.record.rebuild import Rebuilt, rebuild
from archer.record.write import Made, make_record

__all__ = ["Choice", "Made", "Rebuilt", "gather", "make_record", "rebuild"]
