"""One worker of one thread: what is trained here is small, and tests run side by side."""

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module", autouse=True)
def one_core() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("archer.mad.runner._cores", lambda: 1)
        yield
