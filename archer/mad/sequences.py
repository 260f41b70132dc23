"""What the task files share: the ignored label and a row-wise "where was this first?"."""

import numpy as np

IGNORE = -100  # the label of a position that is not scored (torch's cross-entropy default)


def first_index(ids: np.ndarray) -> np.ndarray:
    """[n, m] integers -> [n, m] int64: the first column of the row that holds the same integer."""
    columns = np.arange(ids.shape[1])
    # one sort orders by (id, column): each run of equal ids then begins with its first column
    order = np.sort(ids.astype(np.int64) * ids.shape[1] + columns, axis=1)
    ids, column = np.divmod(order, ids.shape[1])
    begins = np.ones(ids.shape, dtype=bool)
    begins[:, 1:] = ids[:, 1:] != ids[:, :-1]
    begin = np.maximum.accumulate(np.where(begins, columns, 0), axis=1)
    first = np.empty_like(column)
    np.put_along_axis(first, column, np.take_along_axis(column, begin, axis=1), axis=1)
    return first
