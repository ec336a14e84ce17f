"""The trigger that waits for a Data Factory run, against an autospec'd hook."""

from __future__ import annotations

import asyncio
import time
from typing import Any
from unittest import mock

import pytest
from airflow.providers.microsoft.azure.hooks.data_factory import AzureDataFactoryAsyncHook
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ServiceRequestError

from midnight_airflow.key_vault import KeyVaultUnavailableError
from midnight_airflow.triggers.data_factory_run import DataFactoryRunTrigger

TRIGGER = {
    "run_id": "run-1",
    "azure_data_factory_conn_id": "midnight_data_factory",
    "resource_group_name": "group",
    "factory_name": "factory",
    "check_interval": 0,
}


def fire(answers: list[Any], seconds: float = 60) -> tuple[dict[str, Any], mock.MagicMock]:
    """The trigger's event, given the responses of the service; a response may be an error."""
    hook = mock.create_autospec(AzureDataFactoryAsyncHook, instance=True)
    hook.__aenter__.return_value = hook
    hook.get_adf_pipeline_run_status.side_effect = answers

    async def first() -> dict[str, Any]:
        trigger = DataFactoryRunTrigger(end_time=time.time() + seconds, **TRIGGER)
        return (await anext(trigger.run())).payload

    with mock.patch("midnight_airflow.triggers.data_factory_run.ClosingDataFactoryHook", return_value=hook):
        return asyncio.run(first()), hook


@pytest.mark.parametrize(
    ("answers", "status", "message"),
    [
        (["Queued", "InProgress", "Succeeded"], "success", "status Succeeded"),
        (["Canceling", "Cancelled"], "error", "status Cancelled"),
        (["InProgress", ServiceRequestError("reset"), HttpResponseError("503"), "Failed"], "error", "status Failed"),
        ([KeyVaultUnavailableError("throttled", "wait"), "Succeeded"], "success", "status Succeeded"),
        ([ClientAuthenticationError("expired secret")], "error", "expired secret"),
    ],
)
def test_the_trigger_polls_until_the_run_has_ended_and_cancels_nothing(answers, status, message):
    event, hook = fire(answers)
    assert event == {"status": status, "message": message, "run_id": "run-1"}
    assert hook.cancel_pipeline_run.await_count == 0


def test_the_trigger_cancels_a_run_after_the_deadline():
    event, hook = fire(["InProgress"] * 1_000_000, seconds=0.05)
    assert event == {"status": "timeout", "message": "it was cancelled", "run_id": "run-1"}
    assert hook.cancel_pipeline_run.await_count == 1


def test_clearing_a_deferred_task_cancels_the_run():
    hook = mock.create_autospec(AzureDataFactoryAsyncHook, instance=True)
    hook.__aenter__.return_value = hook
    arguments = {
        "run_id": "run-1",
        "azure_data_factory_conn_id": "midnight_data_factory",
        "resource_group_name": "group",
        "factory_name": "factory",
        "end_time": 1.0,
    }
    path, serialized = DataFactoryRunTrigger(**arguments).serialize()

    with mock.patch("midnight_airflow.triggers.data_factory_run.ClosingDataFactoryHook", return_value=hook):
        asyncio.run(DataFactoryRunTrigger(**serialized).on_kill())

    assert path == "midnight_airflow.triggers.data_factory_run.DataFactoryRunTrigger"
    hook.cancel_pipeline_run.assert_awaited_once_with(
        run_id="run-1", resource_group_name="group", factory_name="factory"
    )
