"""What is repeated, how long, and after which waits."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest

from midnight.retry import RetryPolicy
from midnight.settings import REPOSITORY

POLICY = RetryPolicy(timeout=100, initial_backoff=1, max_backoff=4)


class Service:
    """Fails some times, then answers."""

    def __init__(self, *failures: BaseException) -> None:
        self.failures, self.requests = list(failures), 0

    def ask(self) -> str:
        self.requests += 1
        if self.failures:
            raise self.failures.pop(0)
        return "answer"


def retry_os_errors(error: Exception) -> float | None:
    return 0.0 if isinstance(error, OSError) else None


def test_a_transient_error_is_repeated_with_a_growing_wait():
    service = Service(*(OSError(f"busy {n}") for n in range(5)))
    waits: list[float] = []
    log: list[tuple[Exception, int, float]] = []
    answer = POLICY.call(service.ask, retry_os_errors, on_retry=lambda *retry: log.append(retry), sleep=waits.append)
    assert (answer, service.requests) == ("answer", 6)
    longest = [1, 2, 4, 4, 4]
    assert all(most / 2 <= wait <= most for wait, most in zip(waits, longest, strict=True)), waits
    assert [(str(error), number) for error, number, _ in log] == [(f"busy {n}", n + 1) for n in range(5)]
    assert [wait for _, _, wait in log] == waits


def test_the_service_may_ask_for_a_longer_wait():
    waits: list[float] = []
    POLICY.call(Service(OSError()).ask, lambda error: 30.0, sleep=waits.append)
    assert waits == [30.0]


@pytest.mark.parametrize("error", [ValueError("wrong"), KeyboardInterrupt()])
def test_another_error_is_raised_at_once(error):
    service = Service(error)
    with pytest.raises(type(error)) as raised:
        POLICY.call(service.ask, retry_os_errors, sleep=lambda seconds: None)
    assert raised.value is error
    assert service.requests == 1


def test_no_attempt_begins_after_the_timeout():
    error = OSError("away")
    service = Service(error)
    with pytest.raises(OSError, match="away") as raised:
        POLICY.call(service.ask, lambda _: 101.0)
    assert raised.value is error
    assert service.requests == 1


def test_the_last_error_is_raised_when_the_timeout_is_over():
    service = Service(*(OSError(f"busy {n}") for n in range(1000)))
    with pytest.raises(OSError, match=r"busy \d+") as raised:
        RetryPolicy(timeout=0.1, initial_backoff=0.01, max_backoff=0.02).call(service.ask, retry_os_errors)
    assert str(raised.value) == f"busy {service.requests - 1}"
    assert 2 < service.requests < 30


def test_an_awaited_operation_is_repeated_the_same_way():
    service = Service(OSError("busy 0"), OSError("busy 1"), ValueError("wrong"))
    waits: list[float] = []

    async def ask() -> str:
        return service.ask()

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    with pytest.raises(ValueError, match="wrong"):
        asyncio.run(POLICY.call_async(ask, retry_os_errors, sleep=sleep))
    assert service.requests == 3
    assert [most / 2 <= wait <= most for wait, most in zip(waits, [1, 2], strict=True)] == [True, True]
    assert asyncio.run(POLICY.call_async(ask, retry_os_errors, sleep=sleep)) == "answer"


def test_dag_files_do_not_import_tenacity():
    code = "import sys, midnight.retry, midnight.lake.files; print('tenacity' in sys.modules)"
    environment = {"PYTHONPATH": str(REPOSITORY / "plugins")}
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert found.stdout == "False\n"
