"""Cancels work in Azure when the deferred task that waits for it is cleared or marked by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import greenback
from airflow.triggers.base import BaseTrigger
from asgiref.sync import sync_to_async

from midnight.retry import RetryPolicy

Cancel = Callable[[], Coroutine[Any, Any, None]]

# Cancelling is retried after transient errors: nothing else would cancel the run later.
RETRY_POLICY = RetryPolicy(timeout=30, initial_backoff=1, max_backoff=8)
_running: set[asyncio.Task[Any]] = set()


async def cancel_on_kill(trigger: BaseTrigger, cancel: Cancel) -> None:
    """For ``on_kill``: cancel the work that a trigger waits for, unless another triggerer has taken over.

    Args:
        trigger: trigger of the killed task.
        cancel: sends one request to cancel the work.
    """
    await run_shielded(_cancel_unless_deferred(trigger, cancel))


async def cancel_with_retry(trigger: BaseTrigger, cancel: Cancel) -> None:
    """Cancel the work; retry while that fails. The last error is raised.

    Args:
        trigger: its logger is used.
        cancel: sends one request to cancel the work.
    """

    def log(error: Exception, attempt: int, seconds: float) -> None:
        trigger.log.warning("Cancelling failed at attempt %s (%r); trying again in %.0f s", attempt, error, seconds)

    # Three services' clients have their own errors: each of them is retried.
    await RETRY_POLICY.call_async(cancel, lambda _: 0.0, on_retry=log)


async def run_shielded(work: Coroutine[Any, Any, None]) -> None:
    """Await a coroutine that continues when the caller is cancelled.

    Airflow 3.3.2 cancels a trigger, ``on_kill`` included, in every iteration of its loop (about once a second) until
    the trigger has ended, and suppresses the cancellation. Work that takes longer would never finish.
    """
    # In a new task a hook cannot read its connection without Airflow's bridge from synchronous to asynchronous calls.
    task = asyncio.ensure_future(greenback.with_portal_run(lambda: work))
    _running.add(task)  # the event loop has only a weak reference
    task.add_done_callback(_running.discard)
    await asyncio.shield(task)


async def _cancel_unless_deferred(trigger: BaseTrigger, cancel: Cancel) -> None:
    try:
        deferred = await _is_still_deferred(trigger.task_instance)
    except Exception as error:  # noqa: BLE001 - rather cancel too much, which a retry repairs, than leave an orphaned run
        trigger.log.warning("Could not read the task's state (%r): cancelling its work", error)
        deferred = False
    if deferred:
        trigger.log.info("Another triggerer has taken over the task; its work continues")
        return
    await cancel_with_retry(trigger, cancel)


async def _is_still_deferred(instance: Any) -> bool:
    """Whether the task is still deferred: Airflow also calls ``on_kill`` in a triggerer whose heartbeat was late, and
    whose triggers were assigned to another one."""
    if instance is None:
        return False
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    states = await sync_to_async(RuntimeTaskInstance.get_task_states)(
        dag_id=instance.dag_id,
        task_ids=[instance.task_id],
        run_ids=[instance.run_id],
        map_index=instance.map_index,
    )
    return states.get(instance.run_id, {}).get(instance.task_id) == "deferred"
