"""An instance with the demo source, as a person makes it with `make up`, and what tests ask of it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import duckdb

from cli.airflow.client import AirflowClient
from cli.airflow.services import AirflowServices
from cli.airflow.settings import ADMIN
from cli.demo.source import demo_login
from cli.demo.start import demo_postgres
from cli.instance.folder import Instance
from cli.instance.processes import members
from cli.postgres.embedded import Server, free_port
from cli.postgres.location import locate
from midnight.settings import REPOSITORY, load_settings
from tests.support.waiting import LIMIT_SECONDS


class DemoInstance:
    """An instance on free ports, and the commands on it. Its retries do not wait.

    Args:
        folder: gets the instance and a copy of the configuration.
    """

    def __init__(self, folder: Path) -> None:
        self.home, include = folder / "home", folder / "include"
        shutil.copytree(REPOSITORY / "include", include)
        pipeline = include / "pipeline.yml"
        pipeline.write_text(pipeline.read_text().replace("retry_delay_seconds: 60", "retry_delay_seconds: 0"))
        self.airflow_port, self.source_port = free_port(), free_port()
        self.variables = {
            "MIDNIGHT_HOME": str(self.home),
            "MIDNIGHT_CONFIG": str(include),
            "MIDNIGHT_AIRFLOW_PORT": str(self.airflow_port),
            "MIDNIGHT_SOURCE_PORT": str(self.source_port),
        }
        self.settings = load_settings(self.variables)

    def run(self, command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """`make <command> VARIABLE=value …`."""
        environment = {**os.environ, **self.variables, **variables, "PYTHONUTF8": "1"}
        environment.pop("MIDNIGHT_PROFILE", None)
        return subprocess.run(
            [sys.executable, "-m", "cli", command],
            cwd=REPOSITORY,
            env=environment,
            capture_output=True,
            text=True,
            timeout=3 * LIMIT_SECONDS,  # `make up` starts Airflow and runs the pipeline
            check=False,
        )

    def trigger(self, run_id: str) -> None:
        """Trigger the pipeline without waiting for it."""
        self.client.trigger(run_id)

    def wait_for_run(self, run_id: str) -> str:
        """How a run ended."""
        deadline = time.monotonic() + LIMIT_SECONDS
        while (state := self.client.run_state(run_id)) not in ("success", "failed"):
            assert time.monotonic() < deadline, f"{run_id} is {state}"
            time.sleep(0.5)
        return state

    @property
    def instance(self) -> Instance:
        return Instance(self.home)

    @property
    def services(self) -> AirflowServices:
        return AirflowServices(self.instance, self.settings, port=self.airflow_port)

    @property
    def client(self) -> AirflowClient:
        return AirflowClient(self.services.url, ADMIN, self.instance.secrets["airflow_admin_password"])

    def source(self) -> Server:
        """The superuser's login of the demo source."""
        return demo_login(demo_postgres(self.instance, self.source_port).server)

    def process_ids(self) -> set[int]:
        data = locate(self.instance.postgres, create=False)
        assert data is not None
        pid = int((data.data / "postmaster.pid").read_text().split()[0])
        return {process.pid for process in members(self.instance.id)} | {pid}

    def ask(self, query: str) -> list[tuple]:
        """What a reader of the serving database gets."""
        with duckdb.connect(str(self.settings.serving_database), read_only=True) as connection:
            return connection.execute(query).fetchall()
