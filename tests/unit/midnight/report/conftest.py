"""The browser that the tests of the pages share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.browser import Browser, running_browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_browser() as started:
        yield started
