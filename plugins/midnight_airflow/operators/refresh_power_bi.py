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

from midnight.cost.facts import refresh_facts
from midnight.errors import ReportRefreshError
from midnight.powerbi.refreshes import RefreshState
from midnight_airflow.operators.run_page_link import RUN_PAGE_URL, RunPageLink
from midnight_airflow.run_context import attempt_token
from midnight_airflow.run_costs import record_costs

if TYPE_CHECKING:
    from airflow.sdk import Context

    from midnight_airflow.triggers.power_bi_refresh import PowerBiRefreshTrigger

# Key in the task's state: the newest refresh and the token of its attempt.
STATE_KEY = "midnight_power_bi_refresh"
# XCom: id of the refresh that the task started.
REFRESH_ID = "refresh_id"
MAX_REFRESH_DURATION = timedelta(hours=5)  # Power BI's own limit


class RefreshPowerBiOperator(BaseOperator):
    """Refresh the report's data from the views, and defer until the refresh has ended.

    A refresh that is already in progress may have read the previous views: the task waits for its end and then starts
    its own. A workspace on a capacity gets an enhanced refresh, any other a plain one.

    Args:
        power_bi_conn_id: Airflow connection of the service principal.
        group_id: id of the workspace.
        dataset_id: id of the semantic model; empty skips the task: there is no report yet.
        polling_seconds: time between two requests for the state.
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
            ReportRefreshError: Power BI refuses the refresh.
            RefreshLimitError: the daily limit of a workspace without a capacity is reached.
        """
        if not self.group_id or not self.dataset_id:
            raise AirflowSkipException(
                "no report to refresh; hint: set MIDNIGHT_POWERBI_GROUP_ID and MIDNIGHT_POWERBI_DATASET_ID"
            )
        instance: Any = context["ti"]
        page = f"https://app.powerbi.com/groups/{self.group_id}/datasets/{self.dataset_id}/details"
        instance.xcom_push(key=RUN_PAGE_URL, value=page)
        own_refresh = self._stored_refresh(context)
        own_state, active_refresh = asyncio.run(self._read_states(own_refresh))
        if own_refresh is not None and own_state is not None and not (own_state.ended and not own_state.succeeded):
            self.log.info("Found refresh %s of an earlier try (%s)", own_refresh, own_state.status)
            instance.xcom_push(key=REFRESH_ID, value=own_refresh)
            self._wait(own_refresh, "execute_complete", owned=True)
        if active_refresh is not None:
            self.log.info("Another refresh (%s) is in progress; this task starts its own after it", active_refresh)
            self._wait(active_refresh, "start_after_another", owned=False)
        enhanced, own_refresh = asyncio.run(self._start())
        task_state: Any = {"token": attempt_token(context, 0), "refresh_id": own_refresh}
        context["task_state_store"].set(STATE_KEY, task_state, retention=NEVER_EXPIRE)
        instance.xcom_push(key=REFRESH_ID, value=own_refresh)
        kind = "enhanced" if enhanced else "plain (the workspace is not on a capacity)"
        self.log.info("Started refresh %s of dataset %s: %s", own_refresh, self.dataset_id, kind)
        self._wait(own_refresh, "execute_complete", owned=True)

    def start_after_another(self, context: Context, event: dict[str, str]) -> None:
        """Start this task's refresh: the one that was in progress has ended, with whatever status."""
        self.log.info("The other refresh ended: %s", event["status"])
        self.execute(context)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> None:
        """Evaluate the result of this task's refresh.

        Raises:
            ReportRefreshError: the refresh failed; the message has the service's reason.
        """
        state = RefreshState(event["refresh_id"], event["status"], event["reason"])
        own_refresh = self._stored_refresh(context)
        if own_refresh not in (None, state.refresh_id):
            # SQLite reuses the id of a cleared task's trigger, so the next trigger can receive its last event.
            self.log.info("The event is of refresh %s of an earlier try; waiting for %s", state.refresh_id, own_refresh)
            self._wait(str(own_refresh), "execute_complete", owned=True)
        seconds = float(event.get("seconds", 0))
        record_costs(context, state.refresh_id, lambda: refresh_facts(seconds) if seconds else [])
        if state.succeeded:
            self.log.info("The report shows the current data of the views (refresh %s)", state.refresh_id)
            return
        raise ReportRefreshError(
            f"Power BI dataset {self.dataset_id!r}: refresh {state.refresh_id} ended with status {state.status}: "
            f"{state.reason or 'no reason given'}; the report keeps the data of its last refresh; hint: see the "
            "dataset's refresh history in Power BI, fix the cause, then clear this task"
        )

    @staticmethod
    def _stored_refresh(context: Context) -> str | None:
        """Id of the refresh that this attempt started, from the task's state."""
        state: Any = context["task_state_store"].get(STATE_KEY)
        return state["refresh_id"] if isinstance(state, dict) and state["token"] == attempt_token(context, 0) else None

    async def _read_states(self, own_refresh: str | None) -> tuple[RefreshState | None, str | None]:
        """State of this attempt's refresh, and the id of the refresh in progress."""
        from midnight_airflow.hooks.power_bi import PowerBiDataset

        async with PowerBiDataset(self.power_bi_conn_id, self.group_id, self.dataset_id) as dataset:
            return None if own_refresh is None else await dataset.state(own_refresh), await dataset.active_refresh()

    async def _start(self) -> tuple[bool, str]:
        """Start a refresh; whether it is an enhanced one, and its id."""
        from midnight_airflow.hooks.power_bi import PowerBiDataset

        async with PowerBiDataset(self.power_bi_conn_id, self.group_id, self.dataset_id) as dataset:
            enhanced = await dataset.is_on_capacity()
            return enhanced, await dataset.start(enhanced=enhanced)

    def _wait(self, refresh_id: str, method: str, *, owned: bool) -> None:
        # Imported here: DAG parsing must not load the provider's hook.
        from midnight_airflow.triggers.power_bi_refresh import PowerBiRefreshTrigger

        timeout = self.execution_timeout or MAX_REFRESH_DURATION
        trigger: PowerBiRefreshTrigger = PowerBiRefreshTrigger(
            connection_id=self.power_bi_conn_id,
            group_id=self.group_id,
            dataset_id=self.dataset_id,
            refresh_id=refresh_id,
            deadline=time.time() + timeout.total_seconds(),
            polling_seconds=self.polling_seconds,
            owned=owned,
        )
        # The trigger enforces the deadline and cancels the refresh; Airflow's own timeout comes later.
        self.defer(trigger=trigger, method_name=method, timeout=timeout + timedelta(minutes=5))
