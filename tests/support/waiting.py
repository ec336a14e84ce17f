"""How long tests wait for something: until it is there. The limit only ends a test that would hang."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

# The longest single waits (a run of the demo, a start of Airflow) take 60 to 100 s on two quiet cores; a machine of CI
# with as much to do is up to four times slower. pyproject.toml has the limit of a whole test.
LIMIT_SECONDS = 400


def wait_for(what: Callable[[], Any], why: Callable[[], Any] = lambda: "", *, pause: float = 0.05) -> Any:
    """Wait until ``what`` returns a true value, and return that.

    Args:
        what: is called again and again.
        why: what the error shows.
        pause: seconds between two calls.
    """
    deadline = time.monotonic() + LIMIT_SECONDS
    while not (answer := what()):
        assert time.monotonic() < deadline, why()
        time.sleep(pause)
    return answer
