"""Waits for a Power BI refresh."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from midnight.errors import ReportRefreshError
from midnight_airflow.hooks.power_bi import PowerBiDataset, PowerBiUnavailableError
from midnight_airflow.triggers.cancellation import cancel_on_kill, cancel_with_retry

TIMED_OUT = "TimedOut"


class PowerBiRefreshTrigger(BaseTrigger):
    """Fires when a refresh has ended, or when the deadline has passed and the refresh was cancelled.

    The provider's trigger waits forever for a refresh that was cancelled by hand, cancels one whose state it could not
    read three times, and does not cancel one whose task is cleared.

    Args:
        connection_id, group_id, dataset_id: see ``PowerBiDataset``.
        refresh_id: id of the refresh.
        deadline: seconds since 1970.
        polling_seconds: time between two requests for the state.
        owned: whether the task started the refresh, so that it may be cancelled.
    """

    def __init__(
        self,
        *,
        connection_id: str,
        group_id: str,
        dataset_id: str,
        refresh_id: str,
        deadline: float,
        polling_seconds: float,
        owned: bool,
    ) -> None:
        super().__init__()
        self.arguments: dict[str, Any] = {
            "connection_id": connection_id,
            "group_id": group_id,
            "dataset_id": dataset_id,
            "refresh_id": refresh_id,
            "deadline": deadline,
            "polling_seconds": polling_seconds,
            "owned": owned,
        }
        self.refresh_id = refresh_id
        self.deadline = deadline
        self.polling_seconds = polling_seconds
        self.owned = owned
        self.cancelled = False

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return "midnight_airflow.triggers.power_bi_refresh.PowerBiRefreshTrigger", self.arguments

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Poll until the refresh has ended; the event has its status and the reason of a failure."""
        async with self._dataset() as dataset:
            while True:
                try:
                    state = await dataset.state(self.refresh_id)
                except PowerBiUnavailableError as error:
                    self.log.warning("%s; trying again in %s s", error, self.polling_seconds)
                except ReportRefreshError as error:
                    yield self._event("Unknown", str(error))
                    return
                else:
                    if state.ended:
                        yield self._event(state.status, state.reason, state.seconds)
                        return
                if time.time() + self.polling_seconds > self.deadline:
                    break
                await asyncio.sleep(self.polling_seconds)
        yield self._event(TIMED_OUT, await self._cancel_overdue())

    async def on_kill(self) -> None:
        """Cancel the refresh: the deferred task was cleared or marked by hand."""
        if self.owned:
            await cancel_on_kill(self, self._cancel)

    async def _cancel_overdue(self) -> str:
        """Cancel a refresh whose deadline has passed; the reason for the event."""
        if not self.owned:
            return ""
        try:
            await cancel_with_retry(self, self._cancel)
        except ReportRefreshError as error:
            return f"it did not end before the deadline, and could not be cancelled: {error}"
        if not self.cancelled:
            return "it did not end before the deadline; a plain refresh cannot be cancelled, and continues"
        return "it did not end before the deadline, and was cancelled"

    async def _cancel(self) -> None:
        async with self._dataset() as dataset:
            self.cancelled = await dataset.cancel(self.refresh_id)
        if not self.cancelled:
            self.log.warning("Refresh %s is a plain one, which cannot be cancelled; it continues", self.refresh_id)

    def _dataset(self) -> PowerBiDataset:
        names = self.arguments
        return PowerBiDataset(names["connection_id"], names["group_id"], names["dataset_id"])

    def _event(self, status: str, reason: str, seconds: float = 0) -> TriggerEvent:
        event = {"refresh_id": self.refresh_id, "status": status, "reason": reason, "seconds": seconds}
        return TriggerEvent(event)
