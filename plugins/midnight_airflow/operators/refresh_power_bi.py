"""Refreshes the Power BI dataset (azure profile)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowSkipException
from airflow.sdk.execution_time.context import NEVER_EXPIRE

from midnight.errors import ReportRefreshError
from midnight.powerbi.refreshes import RefreshState
from midnight_airflow.operators.run_page_link import RUN_PAGE_URL, RunPageLink
from midnight_airflow.run_context import attempt_token

if TYPE_CHECKING:
    from airflow.sdk import Context

    from midnight_airflow.triggers.power_bi_refresh import PowerBiRefreshTrigger

STATE_KEY = "midnight_power_bi_refresh"
REFRESH_ID = "refresh_id"
MAX_REFRESH_DURATION = timedelta(hours=5)  # Power BI itself ends a refresh after that


class RefreshPowerBiOperator(BaseOperator):
    """Refresh the report's data from the views, and wait for it without a worker.

    It runs only after the views were published, and begins after that: a refresh that somebody else has started
    before may have read the views of yesterday, so this one waits for its end and starts its own. A workspace on a
    capacity gets an enhanced refresh, any other a plain one.

    Args:
        power_bi_conn_id: Airflow connection of the service principal.
        group_id: workspace.
        dataset_id: semantic model; empty: there is no report yet, and the task is skipped.
        polling_seconds: between two questions.
    """

    template_fields: Sequence[str] = ("group_id", "dataset_id")
    operator_extra_links = (RunPageLink(),)
    ui_color = "#FDF0D8"

    def __init__(
        self,
        *,
        power_bi_conn_id: str,
        group_id: str,
        dataset_id: str,
        polling_seconds: float = 15,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.power_bi_conn_id = power_bi_conn_id
        self.group_id = group_id
        self.dataset_id = dataset_id
        self.polling_seconds = polling_seconds

    def execute(self, context: Context) -> None:
        """Start the refresh, or find the one of an earlier try.

        Raises:
            ReportRefreshError: Power BI refuses.
            RefreshLimitError: without a capacity, after eight refreshes today.
        """
        if not self.group_id or not self.dataset_id:
            raise AirflowSkipException(
                "no report to refresh: set MIDNIGHT_POWERBI_GROUP_ID and MIDNIGHT_POWERBI_DATASET_ID"
            )
        instance: Any = context["ti"]
        page = f"https://app.powerbi.com/groups/{self.group_id}/datasets/{self.dataset_id}/details"
        instance.xcom_push(key=RUN_PAGE_URL, value=page)
        mine = self._noted(context)
        found, active_refresh = asyncio.run(self._look(mine))
        if mine is not None and found is not None and not (found.ended and not found.succeeded):
            self.log.info("Found refresh %s of an earlier try (%s)", mine, found.status)
            instance.xcom_push(key=REFRESH_ID, value=mine)
            self._wait(mine, "execute_complete", owned=True)
        if active_refresh is not None:
            self.log.info("Another refresh (%s) is going on; waiting for its end before starting owned", active_refresh)
            self._wait(active_refresh, "start_after_another", owned=False)
        enhanced, mine = asyncio.run(self._start())
        note: Any = {"token": attempt_token(context, 0), "refresh_id": mine}
        context["task_state_store"].set(STATE_KEY, note, retention=NEVER_EXPIRE)
        instance.xcom_push(key=REFRESH_ID, value=mine)
        kind = "enhanced" if enhanced else "plain (the workspace is on no capacity)"
        self.log.info("Started refresh %s of dataset %s: %s", mine, self.dataset_id, kind)
        self._wait(mine, "execute_complete", owned=True)

    def start_after_another(self, context: Context, event: dict[str, str]) -> None:
        """The refresh of somebody else has ended, however."""
        self.log.info("The other refresh ended: %s", event["status"])
        self.execute(context)

    def execute_complete(self, context: Context, event: dict[str, str]) -> None:
        """Our refresh has ended.

        Raises:
            ReportRefreshError: not well; the message is the service's reason.
        """
        state = RefreshState(event["refresh_id"], event["status"], event["reason"])
        mine = self._noted(context)
        if mine not in (None, state.refresh_id):  # SQLite gives the number of a cleared task's trigger to the next one
            self.log.info("Refresh %s was that of an earlier try; waiting for %s", state.refresh_id, mine)
            self._wait(str(mine), "execute_complete", owned=True)
        if state.succeeded:
            self.log.info("The report shows the views' data of now (refresh %s)", state.refresh_id)
            return
        raise ReportRefreshError(
            f"Power BI dataset {self.dataset_id!r}: refresh {state.refresh_id} ended as {state.status}: "
            f"{state.reason or 'without a reason'}; the report keeps the data of its last refresh. The dataset's "
            "refresh history in Power BI has the details; mend it, then clear this task"
        )

    @staticmethod
    def _noted(context: Context) -> str | None:
        """The refresh that this attempt has started."""
        noted: Any = context["task_state_store"].get(STATE_KEY)
        return noted["refresh_id"] if isinstance(noted, dict) and noted["token"] == attempt_token(context, 0) else None

    async def _look(self, mine: str | None) -> tuple[RefreshState | None, str | None]:
        """How the refresh of an earlier try stands, and which one is going on."""
        from midnight_airflow.hooks.power_bi import PowerBiDataset

        async with PowerBiDataset(self.power_bi_conn_id, self.group_id, self.dataset_id) as dataset:
            return None if mine is None else await dataset.state(mine), await dataset.active_refresh()

    async def _start(self) -> tuple[bool, str]:
        """Whether the refresh is an enhanced one, and its id."""
        from midnight_airflow.hooks.power_bi import PowerBiDataset

        async with PowerBiDataset(self.power_bi_conn_id, self.group_id, self.dataset_id) as dataset:
            enhanced = await dataset.is_on_capacity()
            return enhanced, await dataset.start(enhanced=enhanced)

    def _wait(self, refresh_id: str, method: str, *, owned: bool) -> None:
        # DAG parsing shall not pay for the provider's hook.
        from midnight_airflow.triggers.power_bi_refresh import PowerBiRefreshTrigger

        longest = self.execution_timeout or MAX_REFRESH_DURATION
        trigger: PowerBiRefreshTrigger = PowerBiRefreshTrigger(
            connection_id=self.power_bi_conn_id,
            group_id=self.group_id,
            dataset_id=self.dataset_id,
            refresh_id=refresh_id,
            deadline=time.time() + longest.total_seconds(),
            polling_seconds=self.polling_seconds,
            owned=owned,
        )
        # Airflow would end a trigger that is late without telling it; it ends by itself, and cancels the refresh.
        self.defer(trigger=trigger, method_name=method, timeout=longest + timedelta(minutes=5))
