"""Records of searches, made from a store and rebuilt without training. See docs/records.md."""

from archer.research.record.computed import Rebuilt, rebuild
from archer.research.record.read import SearchRecord, is_search_record, load
from archer.research.record.write import holds_search, make_search_record

__all__ = [
    "Rebuilt",
    "SearchRecord",
    "holds_search",
    "is_search_record",
    "load",
    "make_search_record",
    "rebuild",
]
