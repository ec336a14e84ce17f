"""The Databricks trigger with the provider's hook over TLS, while the service returns errors."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import socketserver
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.databricks.hooks.databricks import DatabricksHook
from starlette.responses import JSONResponse

from midnight.databricks.job_payload import BOTH_STEPS, run_request
from midnight_airflow.triggers import databricks_step
from midnight_airflow.triggers.databricks_step import DatabricksStepTrigger
from tests.fakes.cloud import TENANT, Cloud, enter, running_cloud
from tests.fakes.databricks import GET_RUN, HOST, Databricks
from tests.fakes.databricks_runs import JobRun, TaskRun
from tests.fakes.entra import Entra
from tests.support.deployed import deployed_job
from tests.support.lifecycle_instance import WHEEL, scripted_wheel
from tests.support.waiting import wait_for


@pytest.fixture
def databricks(tmp_path: Path, entra: Entra) -> Iterator[Databricks]:
    with contextlib.closing(Databricks(entra, tmp_path / "databricks", engine=None)) as workspace:
        workspace.files[WHEEL] = scripted_wheel()
        yield workspace


@pytest.fixture
def cloud(tmp_path: Path, entra: Entra, databricks: Databricks, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    with running_cloud(tmp_path, entra=entra, services=[databricks]) as running:
        enter(running, monkeypatch)
        databricks.users.add(running.client[0])
        identity, secret = running.client
        connection = {"conn_type": "databricks", "host": f"https://{HOST}", "login": identity, "password": secret}
        text = json.dumps(connection | {"extra": {"azure_tenant_id": TENANT}})
        monkeypatch.setenv("AIRFLOW_CONN_MIDNIGHT_DATABRICKS", text)
        yield running


@pytest.fixture
def run(cloud: Cloud, databricks: Databricks) -> JobRun:
    """A run whose steps wait for ``let_finish``."""
    job = deployed_job(WHEEL)
    defaults = {item["name"]: item["default"] for item in job["parameters"]}
    parameters = defaults | run_request(1, "x", BOTH_STEPS, "a")["job_parameters"]
    started = JobRun(1, job, parameters, [TaskRun(task) for task in job["tasks"]])
    databricks.runner.start(started)
    wait_for(lambda: started.life_cycle == "RUNNING")
    return started


def let_finish(databricks: Databricks, run: JobRun) -> None:
    for step in BOTH_STEPS:
        (databricks.runner.folder / str(run.run_id) / step).touch()


def waiting_trigger(run: JobRun, **arguments: Any) -> DatabricksStepTrigger:
    return DatabricksStepTrigger(
        run_id=run.run_id, step=BOTH_STEPS[0], databricks_conn_id="midnight_databricks", **arguments
    )


def waited(run: JobRun, *, deadline: float | None = None, meanwhile: Callable[[], Any] = lambda: None) -> Any:
    """Payload of the event of the trigger, serialized and deserialized as for a triggerer."""

    async def first() -> Any:
        given = waiting_trigger(run, polling_seconds=0.1, deadline=deadline)
        path, arguments = given.serialize()
        assert path == f"{DatabricksStepTrigger.__module__}.DatabricksStepTrigger"
        events = DatabricksStepTrigger(**json.loads(json.dumps(arguments))).run()
        event = asyncio.ensure_future(anext(events))
        await asyncio.to_thread(meanwhile)
        return (await event).payload

    return asyncio.run(first())


def test_transient_errors_are_retried(run, databricks):
    for status in (429, 500, 503, 504):
        databricks.fail(GET_RUN, JSONResponse({"error_code": "BUSY", "message": "later"}, status))

    def meanwhile() -> None:
        wait_for(lambda: databricks.requests[GET_RUN] > 4)
        let_finish(databricks, run)

    assert waited(run, meanwhile=meanwhile) == {"run_id": run.run_id}


def test_a_refused_token_is_replaced(run, databricks, entra):
    databricks.fail(GET_RUN, *[JSONResponse({"error_code": "401", "message": "the token has expired"}, 401)] * 2)

    def meanwhile() -> None:
        wait_for(lambda: databricks.requests[GET_RUN] > 2)
        let_finish(databricks, run)

    assert waited(run, meanwhile=meanwhile) == {"run_id": run.run_id}
    assert max(entra.issued.values()) == 3


def test_reset_connections_are_retried(run, databricks, cloud, monkeypatch):
    with resetting(cloud.port, times=3) as (port, count):
        cloud.tunnel.ports[HOST] = port
        enter(cloud, monkeypatch)

        def meanwhile() -> None:
            wait_for(lambda: count() > 3)
            let_finish(databricks, run)

        assert waited(run, meanwhile=meanwhile) == {"run_id": run.run_id}


def test_a_service_that_stays_unreachable_is_a_problem_and_nothing_is_cancelled(run, databricks, monkeypatch):
    monkeypatch.setattr(databricks_step, "POLL_TIMEOUT_SECONDS", 0.3)
    databricks.fail(GET_RUN, *[JSONResponse({}, 503)] * 50)

    event = waited(run)

    assert event["problem"].startswith("Databricks could not be reached for half an hour: ")
    assert not run.ended


def test_a_deleted_run_is_a_problem(run, databricks):
    databricks.delete(run)
    assert waited(run) == {"run_id": run.run_id, "problem": "the run was deleted in the workspace"}


def test_the_run_is_cancelled_after_the_deadline_and_when_the_task_is_cleared(run, databricks):
    event = waited(run, deadline=1.0)
    assert event == {"run_id": run.run_id, "problem": "the run did not end before the deadline and was cancelled"}
    wait_for(lambda: run.result == "CANCELED")

    asyncio.run(waiting_trigger(run).on_kill())
    assert databricks.requests["POST /api/2.2/jobs/runs/cancel"] == 2


def test_cancelling_reads_the_connection_in_the_event_loop(run, monkeypatch):
    """In a thread it would hold a lock of the hook's class, and so stop the triggers that read theirs (Python 3.11)."""
    read, threads = DatabricksHook.get_connection, []

    def get_connection(_: DatabricksHook, connection_id: str) -> Any:
        threads.append(threading.current_thread())
        return read(connection_id)

    monkeypatch.setattr(DatabricksHook, "get_connection", get_connection)
    asyncio.run(waiting_trigger(run).on_kill())

    wait_for(lambda: run.result == "CANCELED")
    assert threads == [threading.main_thread()]


@contextlib.contextmanager
def resetting(port: int, times: int) -> Iterator[tuple[int, Callable[[], int]]]:
    """A proxy port that resets the first connections, and a function that returns the number of connections."""
    count = [0]

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            count[0] += 1
            if count[0] <= times:
                self.request.recv(1)
                self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return
            with socket.create_connection(("127.0.0.1", port)) as service:
                thread = threading.Thread(target=pump, args=(service, self.request), daemon=True)
                thread.start()
                pump(self.request, service)
                thread.join()

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

        def shutdown_request(self, request: Any) -> None:
            request.close()  # without shutdown, so that the client sees a reset

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server.server_address[1], lambda: count[0]
        finally:
            server.shutdown()
            thread.join()


def pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(1 << 16):
            target.sendall(piece)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
