"""What the CLI starts as job server, and that it and the scheduler may fork after their imports."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from cli.airflow.scheduler import PACKAGES
from cli.instance.folder import Instance
from cli.instance.job_server import NAME, start_job_server
from cli.instance.processes import NO_THREADS, ProcessRecord, bytecode_cache, stop_all
from midnight.job_server.client import start_job
from midnight.job_server.messages import SOCKET_NAME
from midnight.settings import Settings, load_settings
from tests.support.airflow_environment import REPOSITORY
from tests.support.waiting import wait_for

pytestmark = pytest.mark.slow


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[Instance]:
    instance = Instance(tmp_path / "home")
    instance.create()
    yield instance
    stop(instance)


def stop(instance: Instance) -> None:
    stop_all([ProcessRecord(**record) for record in instance.read_state().get("processes", {}).values()], instance.id)


def settings_of(instance: Instance, **variables: str) -> Settings:
    return load_settings({"MIDNIGHT_HOME": str(instance.home), **variables})


def server_of(instance: Instance) -> psutil.Process | None:
    record = instance.read_state().get("processes", {}).get(NAME)
    return None if record is None else ProcessRecord(**record).find()


def wait_for_socket(instance: Instance) -> None:
    wait_for((instance.home / SOCKET_NAME).exists, (instance.logs / f"{NAME}.log").read_text)


def test_the_server_runs_jobs_until_the_instance_is_stopped(instance, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_MIDNIGHT_SOURCE", "postgresql://user:secret@host/db")
    start_job_server(instance, settings_of(instance))
    server = server_of(instance)
    assert server is not None
    assert [name for name in server.environ() if name.startswith("AIRFLOW")] == []

    start_job_server(instance, settings_of(instance))
    assert server_of(instance) == server, "a running server is kept"

    wait_for_socket(instance)
    log: list[str] = []
    environment = {"PYTHONPATH": os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "plugins")])}
    job = start_job(
        instance.home / SOCKET_NAME, "spark_jobs.silver_to_gold", [], environment=environment, lock=2, log=log.append
    )
    assert job is not None, log
    with job:
        assert "error: invalid arguments []" in job.stdout.read().decode()
        assert job.wait() == 1

    stop(instance)
    assert server_of(instance) is None
    start_job_server(instance, settings_of(instance))
    assert server_of(instance) is not None, "a dead server is started again"


def test_azure_has_no_local_jobs(instance):
    start_job_server(
        instance,
        settings_of(instance, MIDNIGHT_PROFILE="azure", MIDNIGHT_STORAGE_ACCOUNT="a", MIDNIGHT_DATABRICKS_JOB_ID="1"),
    )
    assert "processes" not in instance.read_state()


@pytest.mark.parametrize("modules", [PACKAGES, ("spark_jobs.preload",)], ids=["scheduler", "job server"])
def test_the_imports_before_a_fork_start_no_thread(modules):
    code = f"import {', '.join(modules)}, os; print(len(os.listdir('/proc/self/task')))"
    path = os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "plugins")])
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        env={**os.environ, **NO_THREADS, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "1\n"


def test_compiled_code_is_kept_in_the_instance_only_where_the_shell_forbids_it_elsewhere(instance):
    assert bytecode_cache(instance.home, {"PYTHONDONTWRITEBYTECODE": ""}) == {}
    changes = bytecode_cache(instance.home, {"PYTHONDONTWRITEBYTECODE": "1"})
    code = "import sys; print(sys.dont_write_bytecode, sys.pycache_prefix)"
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **changes}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == f"False {instance.home}/bytecode\n"
