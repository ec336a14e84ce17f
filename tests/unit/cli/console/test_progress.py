"""What `make up` does while it waits for a run: it must not wait for what will never come."""

from __future__ import annotations

import time
from unittest.mock import create_autospec

import httpx
import pytest

from cli.airflow import client as airflow_client
from cli.airflow.client import AirflowClient, AirflowClientError
from cli.airflow.health import ComponentHealth
from cli.airflow.services import AirflowServices
from cli.commands import pipeline_run
from cli.commands.pipeline_run import find_obstacle
from cli.console import progress
from cli.console.progress import RunStuckError, make_console, watch
from cli.instance.folder import Instance


@pytest.fixture
def client():
    fake = create_autospec(AirflowClient, instance=True)
    fake.task_order.return_value, fake.tasks.return_value = [], {}
    fake.run_state.return_value = "queued"
    fake.import_errors.return_value = []
    return fake


@pytest.fixture
def services(tmp_path):
    fake = create_autospec(AirflowServices, instance=True)
    fake.instance = Instance(tmp_path)
    return fake


@pytest.fixture
def health(monkeypatch):
    """The health of Airflow's components, for a test to change."""
    states = {name: ComponentHealth(name, "healthy", 1) for name in ("api-server", "scheduler")}
    monkeypatch.setattr(pipeline_run, "component_health", lambda services: states)
    return states


def test_waiting_ends_when_the_run_cannot_go_on(client, tmp_path, monkeypatch):
    monkeypatch.setattr(progress, "_OBSTACLE_CHECK_SECONDS", 0)
    monkeypatch.setattr(progress, "_POLL_SECONDS", 0)
    with pytest.raises(RunStuckError, match="because of queued"):
        watch(client, "run", tmp_path, make_console(), lambda state, waited: f"because of {state}")
    client.run_state.side_effect = ["running", "running", "success"]
    assert watch(client, "run", tmp_path, make_console()) == "success"


def test_waiting_ends_when_the_time_is_over(client, tmp_path, monkeypatch):
    monkeypatch.setattr(progress, "_POLL_SECONDS", 0)
    with pytest.raises(RunStuckError, match="run r is still queued after 0 minutes"):
        watch(client, "r", tmp_path, make_console(), timeout_seconds=0.01)


def test_a_killed_and_a_stalled_scheduler_are_named(client, services, health):
    assert find_obstacle(services, client, "running", 0) is None
    health["scheduler"] = ComponentHealth("scheduler", "stopped")
    assert "scheduler is not running" in find_obstacle(services, client, "running", 0)
    health["scheduler"] = ComponentHealth("scheduler", "stalled", 7, 130)
    assert "scheduler (process 7) has sent no heartbeat for 130 s" in find_obstacle(services, client, "running", 0)


def test_a_dag_that_no_longer_imports_is_named(client, services, health):
    client.import_errors.return_value = [("other.py", "x"), ("midnight_pipeline.py", "Traceback\nSyntaxError: ouch")]
    assert "midnight_pipeline.py does not import: SyntaxError: ouch" in find_obstacle(services, client, "queued", 0)
    assert find_obstacle(services, client, "running", 0) is None


def test_a_run_that_stays_queued_without_a_reason_is_named(client, services, health):
    client.runs.return_value = [{"dag_run_id": "earlier"}]
    assert find_obstacle(services, client, "queued", 301) is None
    client.runs.return_value = []
    assert find_obstacle(services, client, "queued", 299) is None
    assert "queued for 301 s although no other run is running" in find_obstacle(services, client, "queued", 301)


def test_a_busy_server_is_asked_again_and_a_dead_one_is_named(monkeypatch):
    answers = [httpx.ReadTimeout("slow"), httpx.ConnectError("refused"), httpx.Response(200, json={"state": "running"})]

    def answer(request):
        if request.method == "POST":
            return httpx.Response(201, json={"access_token": "t"})
        result = answers.pop(0) if answers else httpx.ConnectError("refused")
        if isinstance(result, Exception):
            raise result
        return result

    real = httpx.Client
    monkeypatch.setattr(httpx, "Client", lambda **kw: real(transport=httpx.MockTransport(answer), **kw))
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    found = AirflowClient("http://127.0.0.1:1", "admin", "p")
    assert found.run_state("run") == "running"
    monkeypatch.setattr(airflow_client, "_POLL_TIMEOUT_SECONDS", 0)
    with pytest.raises(AirflowClientError, match=r"does not answer .*make status"):
        found.run_state("run")
