"""The refresh of the report, with the provider's hook over TLS."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from airflow.sdk.exceptions import AirflowSkipException, TaskDeferred
from starlette.responses import JSONResponse

from midnight.errors import NON_RETRYABLE_ERRORS, RefreshLimitError, ReportRefreshError
from midnight_airflow.operators.refresh_power_bi import RefreshPowerBiOperator
from midnight_airflow.triggers.power_bi_refresh import TIMED_OUT, PowerBiRefreshTrigger
from tests.fakes.cloud import Cloud, enter, running_cloud
from tests.fakes.entra import POWER_BI, Entra
from tests.fakes.power_bi import DETAILS, START, PowerBi
from tests.unit.midnight_airflow.conftest import DagRun


class Workspace:
    """The fake, and the operator with its DAG run."""

    def __init__(self, cloud: Cloud, power_bi: PowerBi) -> None:
        self.cloud, self.power_bi = cloud, power_bi
        self.failure = ""
        self.may_end = threading.Event()
        self.run = DagRun()
        self.operator = RefreshPowerBiOperator(
            task_id="refresh_report",
            power_bi_conn_id="midnight_power_bi",
            group_id=power_bi.group,
            dataset_id=power_bi.dataset,
            polling_seconds=0.05,
            retries=2,
        )

    def refresh(self, refresh_id: str) -> None:
        self.may_end.wait(20)
        if self.failure:
            raise ValueError(self.failure)

    def wait(self, deferred: TaskDeferred) -> dict[str, Any]:
        """Payload of the trigger's event."""

        async def first() -> Any:
            # Through its serialized form, as in the triggerer.
            _, arguments = deferred.trigger.serialize()
            async for event in PowerBiRefreshTrigger(**json.loads(json.dumps(arguments))).run():
                return event.payload

        return asyncio.run(first())

    def finish(self, context: dict[str, Any], deferred: TaskDeferred) -> None:
        getattr(self.operator, deferred.method_name)(context, self.wait(deferred))


@pytest.fixture
def workspace(tmp_path: Path, entra: Entra, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    power_bi = PowerBi(entra)
    with running_cloud(tmp_path, entra=entra, services=[power_bi]) as cloud:
        enter(cloud, monkeypatch)
        monkeypatch.setenv("MIDNIGHT_HOME", str(tmp_path / "home"))  # the cost of a refresh is kept in the lake
        client, secret = entra.add_application()
        power_bi.contributors.add(client)
        connection = {
            "conn_type": "powerbi",
            "login": client,
            "password": secret,
            "extra": {"tenant_id": entra.tenant, "trust_env": True},
        }
        monkeypatch.setenv("AIRFLOW_CONN_MIDNIGHT_POWER_BI", json.dumps(connection))
        made = Workspace(cloud, power_bi)
        power_bi.refresh = made.refresh
        yield made
        made.may_end.set()


def started(workspace: Workspace, context: dict[str, Any]) -> TaskDeferred:
    with pytest.raises(TaskDeferred) as raised:
        workspace.operator.execute(context)
    return raised.value


def test_the_refresh_is_awaited(workspace: Workspace) -> None:
    context = workspace.run.try_task(workspace.operator)
    deferred = started(workspace, context)
    threading.Timer(0.3, workspace.may_end.set).start()
    workspace.finish(context, deferred)
    assert [entry["status"] for entry in workspace.power_bi.refreshes.values()] == ["Completed"]
    assert workspace.cloud.tunnel.refused == set()


def test_a_failed_refresh_fails_the_task_with_the_services_reason(workspace: Workspace) -> None:
    workspace.failure = "Column 'flights' in table 'Routes' cannot be found."
    workspace.may_end.set()
    context = workspace.run.try_task(workspace.operator)
    deferred = started(workspace, context)
    with pytest.raises(ReportRefreshError, match=r"Failed: Column 'flights' in table 'Routes' cannot be found\.; the"):
        workspace.finish(context, deferred)


def test_a_retry_waits_for_the_refresh_of_the_previous_try(workspace: Workspace) -> None:
    started(workspace, workspace.run.try_task(workspace.operator))  # and then its worker dies
    context = workspace.run.try_task(workspace.operator)
    deferred = started(workspace, context)
    workspace.may_end.set()
    workspace.finish(context, deferred)
    assert workspace.power_bi.requests[START] == 1


def test_a_retry_after_a_failed_refresh_and_a_clear_start_their_own(workspace: Workspace) -> None:
    workspace.may_end.set()
    workspace.failure = "no"
    for _ in range(2):
        context = workspace.run.try_task(workspace.operator)
        with pytest.raises(ReportRefreshError):
            workspace.finish(context, started(workspace, context))
    workspace.failure = ""
    for cleared in (False, True):
        context = workspace.run.try_task(workspace.operator, cleared=cleared)
        workspace.finish(context, started(workspace, context))
    statuses = [entry["status"] for entry in workspace.power_bi.refreshes.values()]
    assert statuses == ["Failed", "Failed", "Completed", "Completed"]


def test_the_last_event_of_an_earlier_try_is_ignored(workspace: Workspace) -> None:
    workspace.may_end.set()
    first = started(workspace, workspace.run.try_task(workspace.operator))
    event = workspace.wait(first)
    context = workspace.run.try_task(workspace.operator, cleared=True)
    second = started(workspace, context)
    with pytest.raises(TaskDeferred) as again:
        workspace.operator.execute_complete(context, event)
    assert again.value.trigger.refresh_id == second.trigger.refresh_id != event["refresh_id"]


def test_a_refresh_that_another_user_started_is_waited_for_first(workspace: Workspace) -> None:
    """It may have read the previous views."""
    other = workspace.power_bi.begin()
    context = workspace.run.try_task(workspace.operator)
    deferred = started(workspace, context)
    threading.Timer(0.2, workspace.power_bi.end, (other, "Failed")).start()
    event = workspace.wait(deferred)
    with pytest.raises(TaskDeferred) as again:
        getattr(workspace.operator, deferred.method_name)(context, event)
    workspace.may_end.set()
    workspace.finish(context, again.value)
    assert [entry["status"] for entry in workspace.power_bi.refreshes.values()] == ["Failed", "Completed"]


def test_transient_errors_are_retried(workspace: Workspace) -> None:
    context = workspace.run.try_task(workspace.operator)
    deferred = started(workspace, context)
    workspace.power_bi.fail(DETAILS, *[JSONResponse({"error": {"code": "InternalError"}}, 500) for _ in range(3)])
    workspace.may_end.set()
    workspace.finish(context, deferred)
    assert workspace.power_bi.requests[DETAILS] > 3


def test_a_refresh_that_takes_too_long_is_cancelled(workspace: Workspace) -> None:
    context = workspace.run.try_task(workspace.operator)
    deferred = started(workspace, context)
    deferred.trigger.arguments["deadline"] = time.time() + 0.2
    event = workspace.wait(deferred)
    assert event["status"] == TIMED_OUT
    assert [entry["status"] for entry in workspace.power_bi.refreshes.values()] == ["Cancelled"]


def test_killing_the_task_cancels_its_own_refresh_only(workspace: Workspace) -> None:
    other = started_by_other = workspace.power_bi.begin()
    waiting = started(workspace, workspace.run.try_task(workspace.operator))
    asyncio.run(waiting.trigger.on_kill())
    assert workspace.power_bi.refreshes[other]["status"] == "Unknown"
    workspace.power_bi.end(started_by_other, "Completed")
    waiting = started(workspace, workspace.run.try_task(workspace.operator))
    asyncio.run(waiting.trigger.on_kill())
    assert workspace.power_bi.refreshes[waiting.trigger.refresh_id]["status"] == "Cancelled"


def test_a_refresh_cancelled_in_power_bi_fails_the_task(workspace: Workspace) -> None:
    context = workspace.run.try_task(workspace.operator)
    deferred = started(workspace, context)
    workspace.power_bi.end(deferred.trigger.refresh_id, "Cancelled")
    with pytest.raises(ReportRefreshError, match="Cancelled"):
        workspace.finish(context, deferred)


def test_a_missing_permission_is_reported_with_a_hint(workspace: Workspace) -> None:
    workspace.power_bi.contributors.clear()
    with pytest.raises(ReportRefreshError, match="make the service principal of 'midnight_power_bi' a Contributor"):
        workspace.operator.execute(workspace.run.try_task(workspace.operator))


def test_an_expired_secret_is_named_with_its_connection_and_not_retried(workspace: Workspace, entra: Entra) -> None:
    entra.expired |= workspace.power_bi.contributors
    with pytest.raises(NON_RETRYABLE_ERRORS, match=r"'midnight_power_bi' has expired \(AADSTS7000222\); hint: create"):
        workspace.operator.execute(workspace.run.try_task(workspace.operator))


def test_a_rotated_secret_is_used(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace.may_end.set()
    context = workspace.run.try_task(workspace.operator)
    workspace.finish(context, started(workspace, context))
    (client,) = workspace.power_bi.contributors
    workspace.cloud.entra.secrets[client] = "rotated"
    connection = {"conn_type": "powerbi", "login": client, "password": "rotated"}
    connection["extra"] = {"tenant_id": workspace.cloud.entra.tenant, "trust_env": True}  # type: ignore[assignment]
    monkeypatch.setenv("AIRFLOW_CONN_MIDNIGHT_POWER_BI", json.dumps(connection))
    context = workspace.run.try_task(workspace.operator, cleared=True)
    workspace.finish(context, started(workspace, context))


def test_the_task_is_skipped_without_a_dataset(workspace: Workspace) -> None:
    operator = RefreshPowerBiOperator(task_id="r", power_bi_conn_id="c", group_id="", dataset_id="")
    with pytest.raises(AirflowSkipException, match="MIDNIGHT_POWERBI_DATASET_ID"):
        operator.execute(DagRun().try_task(operator))


# Without a capacity


def test_a_workspace_without_a_capacity_gets_a_plain_refresh(workspace: Workspace) -> None:
    workspace.power_bi.on_capacity = False
    context = workspace.run.try_task(workspace.operator)
    deferred = started(workspace, context)
    threading.Timer(0.3, workspace.may_end.set).start()
    workspace.finish(context, deferred)
    (entry,) = workspace.power_bi.refreshes.values()
    assert (entry["refreshType"], entry["status"]) == ("ViaApi", "Completed")
    assert workspace.power_bi.requests[DETAILS] == 0  # it has none


def test_a_failed_plain_refresh_fails_the_task_with_the_services_reason(workspace: Workspace) -> None:
    workspace.power_bi.on_capacity = False
    workspace.failure = "The credentials provided for the SQL source are invalid"
    workspace.may_end.set()
    context = workspace.run.try_task(workspace.operator)
    with pytest.raises(ReportRefreshError, match="ModelRefreshFailed: The credentials provided for the SQL"):
        workspace.finish(context, started(workspace, context))


def test_the_ninth_plain_refresh_of_a_day_is_not_retried(workspace: Workspace) -> None:
    workspace.power_bi.on_capacity = False
    for _ in range(8):
        workspace.power_bi.end(workspace.power_bi.begin("Scheduled"), "Completed")
    with pytest.raises(RefreshLimitError, match="has 8 refreshes a day, scheduled ones included"):
        workspace.operator.execute(workspace.run.try_task(workspace.operator))
    assert RefreshLimitError in NON_RETRYABLE_ERRORS


def test_a_plain_refresh_that_takes_too_long_may_end(workspace: Workspace) -> None:
    workspace.power_bi.on_capacity = False
    deferred = started(workspace, workspace.run.try_task(workspace.operator))
    deferred.trigger.arguments["deadline"] = time.time() + 0.2
    event = workspace.wait(deferred)
    assert (event["status"], "cannot be cancelled, and continues" in event["reason"]) == (TIMED_OUT, True)
    assert [entry["status"] for entry in workspace.power_bi.refreshes.values()] == ["Unknown"]


@pytest.mark.parametrize(
    ("on_capacity", "body"),
    [
        (False, {"type": "full"}),
        (False, {"notifyOption": "MailOnFailure"}),
        (True, {"type": "full", "notifyOption": "NoNotification"}),
        (True, {"type": "full", "verbose": True}),
    ],
)
def test_the_fake_refuses_what_the_service_refuses(
    workspace: Workspace, on_capacity: bool, body: dict[str, Any]
) -> None:
    workspace.power_bi.on_capacity = on_capacity
    (client,) = workspace.power_bi.contributors
    token = workspace.cloud.entra.token(POWER_BI, client)
    group, dataset = workspace.power_bi.group, workspace.power_bi.dataset
    url = f"https://api.powerbi.com/v1.0/myorg/groups/{group}/datasets/{dataset}/refreshes"
    assert httpx.post(url, json=body, headers={"Authorization": f"Bearer {token}"}).status_code == 400
    assert workspace.power_bi.refreshes == {}
