"""What a trigger does when a person ends its task: the work in Azure ends as well."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from airflow.triggers.base import BaseTrigger
from asgiref.sync import sync_to_async

Cancel = Callable[[], Coroutine[Any, Any, None]]

# A service may be busy just now, and nobody asks it a second time: a run that was not cancelled goes on unseen.
BACKOFF_SECONDS: tuple[float, ...] = (1, 2, 4, 8)
_running: set[asyncio.Task[Any]] = set()


async def cancel_on_kill(trigger: BaseTrigger, cancel: Cancel) -> None:
    """For ``on_kill``: cancel the work that a trigger waits for, unless another triggerer waits for it by now.

    Args:
        trigger: whose task was ended.
        cancel: cancels the work once.
    """
    await run_shielded(_cancel_unless_deferred(trigger, cancel))


async def cancel_with_retry(trigger: BaseTrigger, cancel: Cancel) -> None:
    """Cancel, and again while the service refuses; what it says the last time is raised.

    Args:
        trigger: for its log.
        cancel: cancels the work once.
    """
    for pause in BACKOFF_SECONDS:
        try:
            await cancel()
        except Exception as error:  # noqa: BLE001 - three services' clients have their own errors; the last is raised
            trigger.log.warning("Not cancelled (%r); trying again in %s s", error, pause)
            await asyncio.sleep(pause)
        else:
            return
    await cancel()


async def run_shielded(work: Coroutine[Any, Any, None]) -> None:
    """Await work that goes on when this is cancelled.

    Airflow 3.3.2 cancels a trigger again in every round of its loop (about once a second) until the trigger is gone,
    ``on_kill`` included, and swallows that: whatever takes longer would never come to its end.
    """
    task = asyncio.ensure_future(work)
    _running.add(task)  # the event loop holds no more than a weak reference
    task.add_done_callback(_running.discard)
    await asyncio.shield(task)


async def _cancel_unless_deferred(trigger: BaseTrigger, cancel: Cancel) -> None:
    try:
        waited_for = await _is_still_deferred(trigger.task_instance)
    except Exception as error:  # noqa: BLE001 - a run that is cancelled once too often is tried again; one left is not seen
        trigger.log.warning("Nobody knows whether the task waits (%r): what it waited for is cancelled", error)
        waited_for = False
    if waited_for:
        trigger.log.info("Another triggerer waits for this task's work now; it goes on")
        return
    await cancel_with_retry(trigger, cancel)


async def _is_still_deferred(instance: Any) -> bool:
    """Whether the task waits as before: Airflow calls ``on_kill`` also when a triggerer that was too slow with its
    heartbeat has lost its triggers to another one."""
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
