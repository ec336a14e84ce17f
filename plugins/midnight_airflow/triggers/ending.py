"""Work that a trigger has to finish when a person ends its task."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

_ending: set[asyncio.Task[Any]] = set()


async def finish(work: Coroutine[Any, Any, None]) -> None:
    """Await work that goes on when this is cancelled.

    Airflow 3.3.2 cancels a trigger again in every round of its loop (about once a second) until the trigger is gone,
    ``on_kill`` included, and swallows that: whatever takes longer would never come to its end.
    """
    task = asyncio.ensure_future(work)
    _ending.add(task)  # the event loop holds no more than a weak reference
    task.add_done_callback(_ending.discard)
    await asyncio.shield(task)
