"""Records of searches, made from a store and rebuilt without training. See docs/records.md."""

from archer.research.record.computed import Rebuilt, rebuild
from archer.research.record.held import Held, held
from archer.research.record.read import SearchRecord, is_search_record, load
from archer.research.record.write import make_search_record

__all__ = [
    "Held",
    "Rebuilt",
    "SearchRecord",
    "held",
    "is_search_record",
    "load",
    "make_search_record",
    "rebuild",
]
