"""Reads a CSV file, perhaps gzipped, to the last bit of its numbers."""

import re
import zlib
from pathlib import Path
from typing import Any

import pandas as pd

from archer.errors import ArcherError

# pandas reads numbers exactly from 3.1 on, where it is no option any more
_OLD = tuple(map(int, re.findall(r"\d+", pd.__version__)[:2])) < (3, 1)
_EXACT: dict[str, Any] = {"float_precision": "round_trip"} if _OLD else {}


def read_csv(path: Path, *, index: bool = False) -> pd.DataFrame:
    """The table of a file; index: its first column names the rows.

    Raises ArcherError, and FileNotFoundError where there is no such file.
    """
    column = 0 if index else None
    kinds = {"trial": "str", "rates_seeds": "str"}  # which may look like numbers
    try:
        found: pd.DataFrame = pd.read_csv(
            path, index_col=column, dtype=kinds, low_memory=False, **_EXACT
        )
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError):
        raise ArcherError(f"{path} is not a CSV table") from None
    except FileNotFoundError:
        raise
    except (OSError, EOFError, zlib.error):
        raise ArcherError(f"{path} cannot be read: it is damaged or not gzipped") from None
    return found.copy()  # as read every column is apart, which pandas warns of from a hundred on
