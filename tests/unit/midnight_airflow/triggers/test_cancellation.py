"""Cancelling work in Azure completes, however often Airflow cancels the trigger meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance
from airflow.triggers.base import BaseTrigger, TriggerEvent

from midnight.retry import RetryPolicy
from midnight_airflow.triggers import cancellation
from midnight_airflow.triggers.cancellation import cancel_on_kill, cancel_with_retry, run_shielded


class Waiting(BaseTrigger):
    """Its work is cancelled after a number of refusals."""

    def __init__(self, refusals: int = 0) -> None:
        super().__init__()
        self.refusals, self.requests, self.cancelled = refusals, 0, False

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return "", {}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        yield TriggerEvent({})

    async def cancel(self) -> None:
        self.requests += 1
        if self.requests <= self.refusals:
            raise OSError(f"busy, {self.requests}")
        self.cancelled = True


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    policy = RetryPolicy(timeout=0.2, initial_backoff=0.001, max_backoff=0.01)
    monkeypatch.setattr(cancellation, "RETRY_POLICY", policy)


@pytest.mark.parametrize(("state", "cancelled"), [("deferred", False), ("failed", True), (None, True)])
def test_a_triggerer_that_lost_its_triggers_to_another_one_cancels_nothing(state, cancelled):
    trigger = Waiting()
    trigger._task_instance = SimpleNamespace(dag_id="d", task_id="t", run_id="r", map_index=-1)
    with mock.patch.object(RuntimeTaskInstance, "get_task_states", return_value={"r": {"t": state}}):
        asyncio.run(cancel_on_kill(trigger, trigger.cancel))
    assert trigger.cancelled == cancelled


def test_work_of_a_task_with_unknown_state_is_cancelled():
    trigger = Waiting()
    trigger._task_instance = SimpleNamespace(dag_id="d", task_id="t", run_id="r", map_index=-1)
    with mock.patch.object(RuntimeTaskInstance, "get_task_states", side_effect=OSError("database is locked")):
        asyncio.run(cancel_on_kill(trigger, trigger.cancel))
    assert trigger.cancelled


def test_cancelling_is_retried():
    trigger = Waiting(refusals=4)
    asyncio.run(cancel_on_kill(trigger, trigger.cancel))
    assert trigger.cancelled


def test_the_last_error_of_cancelling_is_raised():
    trigger = Waiting(refusals=10_000)
    with pytest.raises(OSError, match="busy") as raised:
        asyncio.run(cancel_with_retry(trigger, trigger.cancel))
    assert trigger.requests > 5
    assert str(raised.value) == f"busy, {trigger.requests}"


def test_work_continues_when_the_trigger_is_cancelled_again():
    done = []

    async def work() -> None:
        await asyncio.sleep(0.05)
        done.append("cancelled in Azure")

    async def triggerer() -> None:
        waiting = asyncio.ensure_future(run_shielded(work()))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert done == []
        await asyncio.sleep(0.2)

    asyncio.run(triggerer())
    assert done == ["cancelled in Azure"]


def test_an_error_of_the_work_is_raised():
    async def work() -> None:
        raise ValueError("refused")

    with pytest.raises(ValueError, match="refused"):
        asyncio.run(run_shielded(work()))
