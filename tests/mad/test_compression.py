"""Compression: uniform tokens, the query token last, everything scored."""

import numpy as np
import pytest

from archer.mad import Setting, baseline, compression, split

COMPRESSION = baseline("compression")


@pytest.mark.parametrize("source", ["archer", "mad-lab"])
@pytest.mark.parametrize("name", ["train", "test"])
def test_structure(source, name, mad_lab):
    if source == "mad-lab":
        data = mad_lab(COMPRESSION.task, name)
    else:
        data = split(COMPRESSION, name, 0, n=1_280)
    np.testing.assert_array_equal(data.targets, data.inputs)
    assert (data.inputs[:, -1] == 15).all()
    tokens = data.inputs[:, :-1]
    assert set(np.unique(tokens)) == set(range(15))
    expected = tokens.size / 15
    chi_square = ((np.bincount(tokens.ravel()) - expected) ** 2 / expected).sum()
    assert chi_square < 36.2  # 14 degrees: p = 0.001
    repeats = (tokens[:, 1:] == tokens[:, :-1]).mean()
    assert abs(repeats - 1 / 15) < 4 * (14 / 225 / tokens[:, 1:].size) ** 0.5  # no memory


def test_the_docstring_draws_a_real_instance(drawing):
    for line in drawing(Setting("compression", 6, 8), "test"):
        assert line in compression.__doc__
