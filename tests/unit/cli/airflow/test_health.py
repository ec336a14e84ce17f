"""The health of Airflow's components, from a real HTTP answer and real processes."""

from __future__ import annotations

import http.server
import json
import os
import re
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta

import psutil
import pytest

from cli.airflow import health as airflow_health
from cli.airflow.health import component_health, wait_for_stalled
from cli.airflow.services import AirflowServices
from cli.instance.folder import Instance
from cli.instance.processes import INSTANCE_VARIABLE
from cli.postgres.embedded import free_port
from midnight.settings import load_settings


@pytest.fixture
def services(tmp_path):
    """The services of an instance, each a process that only sleeps and was started ten minutes ago."""
    instance = Instance(tmp_path / "home")
    instance.create()
    made = AirflowServices(instance, load_settings({"MIDNIGHT_HOME": str(instance.home)}), port=free_port())
    environment = {**os.environ, INSTANCE_VARIABLE: instance.id}
    sleepers = {
        name: subprocess.Popen([sys.executable, "-c", "import time; time.sleep(120)"], env=environment)
        for name in made.names
    }
    records = {
        name: {"pid": process.pid, "created": psutil.Process(process.pid).create_time()}
        for name, process in sleepers.items()
    }
    instance.update_state(processes=records)
    yield made
    for process in sleepers.values():
        process.kill()
        process.wait()


@pytest.fixture
def grown_up(monkeypatch):
    """The processes count as older than the time that a component may need for its first heartbeat."""
    monkeypatch.setattr(airflow_health, "STALLED_AFTER_SECONDS", 0)


def part(name, status, seconds_ago):
    moment = (datetime.now(UTC) - timedelta(seconds=seconds_ago)).isoformat()
    return {"status": status, f"latest_{name}_heartbeat": moment}


@pytest.fixture
def api_server(services):
    """Answers the health endpoint with what a test puts in."""
    answer = {
        "metadatabase": {"status": "healthy"},
        "scheduler": part("scheduler", "healthy", 1),
        "dag_processor": part("dag_processor", "healthy", 1),
        "triggerer": {"status": None, "latest_triggerer_heartbeat": None},
    }

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path == "/api/v2/monitor/health" else 404)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *arguments):
            """Not into the output of the tests."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", services.port), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield answer
    server.shutdown()
    thread.join()
    server.server_close()


def states(services):
    return {name: health.state for name, health in component_health(services).items()}


def test_heartbeats_make_components_healthy(services, api_server):
    assert states(services) == {"api-server": "healthy", "scheduler": "healthy", "dag-processor": "healthy"}


def test_a_scheduler_with_a_process_and_without_a_heartbeat_has_stalled(services, api_server, grown_up):
    api_server["scheduler"] = part("scheduler", "unhealthy", 600)
    found = component_health(services)
    assert (found["scheduler"].state, found["dag-processor"].state) == ("stalled", "healthy")
    assert re.search(r"has sent no heartbeat for 6\d\d s", str(found["scheduler"]))
    logged: list[str] = []
    assert [health.name for health in wait_for_stalled(services, logged.append, wait_seconds=0.1)] == ["scheduler"]
    assert "scheduler" in logged[0]


def test_a_heartbeat_that_comes_back_in_time_is_no_restart(services, api_server, grown_up):
    api_server["scheduler"] = part("scheduler", "unhealthy", 600)

    def wake_up(text):
        api_server["scheduler"] = part("scheduler", "healthy", 0)

    assert wait_for_stalled(services, wake_up) == []


def test_a_busy_machine_is_not_a_stalled_scheduler(services, api_server):
    """Airflow calls it unhealthy after 30 s."""
    api_server["scheduler"] = part("scheduler", "unhealthy", 45)
    assert states(services)["scheduler"] == "healthy"


def test_a_component_that_was_just_started_gets_time(services, api_server):
    api_server["scheduler"] = part("scheduler", "unhealthy", 600)
    assert states(services)["scheduler"] == "starting"


def test_an_api_server_that_does_not_answer_has_stalled_and_hides_the_others(services, grown_up):
    assert states(services) == {"api-server": "stalled", "scheduler": "unknown", "dag-processor": "unknown"}


def test_what_has_no_process_is_stopped(services):
    services.instance.update_state(processes={})
    assert set(states(services).values()) == {"stopped"}
