"""Repeats an operation that fails with a transient error. The only module that uses tenacity.

tenacity is imported by the first call: DAG files import this module, and must be parsed fast.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from tenacity import RetryCallState

T = TypeVar("T")
_MOST_DOUBLINGS = 60  # beyond any number of attempts that matters; keeps the power finite


@dataclass(frozen=True)
class RetryPolicy:
    """How long an operation is repeated. All values are seconds.

    Args:
        timeout: no new attempt begins later than this after the start of the first one.
        initial_backoff: the wait before the second attempt; doubled for each attempt after it. A random half of it is
            left out, so that several writers do not come back at the same moment.
        max_backoff: the longest wait; a service may ask for a longer one.
    """

    timeout: float = 300.0
    initial_backoff: float = 0.5
    max_backoff: float = 30.0

    def call(
        self,
        operation: Callable[[], T],
        retry_after: Callable[[Exception], float | None],
        *,
        on_retry: Callable[[Exception, int, float], object] | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> T:
        """Call an operation until it succeeds, fails for good, or the timeout is over.

        Args:
            operation: what to do.
            retry_after: of an error the seconds to wait at least, 0 if any; None when the error is not transient.
            on_retry: called before each wait with the error, the number of the failed attempt (from 1), and the
                seconds of the wait.
            sleep: waits some seconds.

        Returns:
            What the operation returns.

        Raises:
            Exception: the last error of the operation, as it raised it.
        """
        from tenacity import Retrying

        return Retrying(**self._tenacity(retry_after, on_retry), sleep=sleep)(operation)

    async def call_async(
        self,
        operation: Callable[[], Awaitable[T]],
        retry_after: Callable[[Exception], float | None],
        *,
        on_retry: Callable[[Exception, int, float], object] | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> T:
        """As ``call``, for an operation that is awaited."""
        from tenacity import AsyncRetrying

        return await AsyncRetrying(**self._tenacity(retry_after, on_retry), sleep=sleep)(operation)

    def _tenacity(
        self,
        retry_after: Callable[[Exception], float | None],
        on_retry: Callable[[Exception, int, float], object] | None,
    ) -> dict[str, Any]:
        """This policy as arguments of tenacity's classes."""
        from tenacity import retry_if_exception, stop_before_delay

        def before_sleep(state: RetryCallState) -> None:
            if on_retry is not None:
                on_retry(_error(state), state.attempt_number, state.upcoming_sleep)

        def wait(state: RetryCallState) -> float:
            return max(retry_after(_error(state)) or 0.0, self._backoff(state.attempt_number))

        return {
            "stop": stop_before_delay(self.timeout),
            "wait": wait,
            "retry": retry_if_exception(lambda error: isinstance(error, Exception) and retry_after(error) is not None),
            "before_sleep": before_sleep,
            "reraise": True,
        }

    def _backoff(self, attempt: int) -> float:
        longest = min(self.max_backoff, self.initial_backoff * 2.0 ** min(attempt - 1, _MOST_DOUBLINGS))
        return longest * random.uniform(0.5, 1.0)  # noqa: S311 - spreads writers, hides nothing


def _error(state: RetryCallState) -> Exception:
    """The error of the attempt; only an ``Exception`` is retried."""
    error = state.outcome.exception() if state.outcome is not None else None
    if not isinstance(error, Exception):  # tenacity calls these functions only after a retried error
        raise TypeError(f"{error!r} is not a retried error")
    return error
