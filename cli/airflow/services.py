"""Airflow's processes on this machine: started, watched and ended."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from cli.airflow.health import request_health, wait_for_stalled
from cli.airflow.settings import ADMIN, airflow_settings, api_server_settings, password_file, url_of
from cli.instance.folder import Instance
from cli.instance.processes import (
    INSTANCE_VARIABLE,
    NO_THREADS,
    ProcessRecord,
    bytecode_cache,
    left_behind,
    members,
    start,
    stop_all,
)
from midnight.atomic_file import write_atomically
from midnight.errors import MidnightError, last_line
from midnight.settings import REPOSITORY, Settings

START_TIMEOUT_SECONDS = 180
MIGRATION_TIMEOUT_SECONDS = 300
# Another Airflow's configuration, our own variable of `make init`, and Airflow's mode for its tests, in which the
# scheduler never rests.
_NOT_HANDED_ON = ("AIRFLOW_CONFIG", "SOURCE", "AIRFLOW__CORE__UNIT_TEST_MODE")
# Code that running processes have already imported.
_WATCHED_FOLDERS = ("dags", "plugins", "spark_jobs", "cli")


class AirflowServicesError(MidnightError):
    """Airflow does not start, or does not become ready."""


class AirflowServices:
    """The Airflow processes of an instance.

    Args:
        instance: must have been created.
        settings: of Midnight; the profile decides which processes are needed.
        port: of the API server and UI.
        dags: folder with the DAG files.
    """

    def __init__(self, instance: Instance, settings: Settings, *, port: int, dags: Path = REPOSITORY / "dags") -> None:
        self.instance = instance
        self.settings = settings
        self.port = port
        self.dags = dags
        self.url = url_of(port)

    def environment(self) -> dict[str, str]:
        """Environment of every Airflow process, the command line included."""
        home = self.instance.airflow_home
        environment = {name: value for name, value in os.environ.items() if name not in _NOT_HANDED_ON}
        environment |= _as_variables(airflow_settings(self.instance, self.port, self.dags))
        environment |= bytecode_cache(self.instance.home, environment)
        environment |= {
            INSTANCE_VARIABLE: self.instance.id,
            "AIRFLOW_HOME": str(home),
            "MIDNIGHT_HOME": str(self.instance.home),
            "MIDNIGHT_CONFIG": str(self.settings.config),
            # DAGs may import include/ and spark_jobs/ from the repository's root; plugins/ Airflow adds itself.
            "PYTHONPATH": os.pathsep.join(filter(None, [str(REPOSITORY), os.environ.get("PYTHONPATH", "")])),
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
            # Tasks talk to the API server on this machine: never through a company's proxy.
            "NO_PROXY": _without_proxy(os.environ.get("NO_PROXY", "")),
            "no_proxy": _without_proxy(os.environ.get("no_proxy", "")),
        }
        if sys.platform == "darwin":  # Airflow forks; macOS ends forked processes that use its network libraries
            environment["OBJC_DISABLE_INITIALIZE_FORK_SAFETY"] = "YES"
        return environment

    @property
    def names(self) -> tuple[str, ...]:
        """The processes, by Airflow's command. Only the azure profile's operators defer, and need a triggerer."""
        return (
            "api-server",
            "scheduler",
            "dag-processor",
            *(["triggerer"] if self.settings.profile == "azure" else []),
        )

    def records(self) -> dict[str, ProcessRecord]:
        """The processes that were started last; also the job server."""
        return {
            name: ProcessRecord(**record) for name, record in self.instance.read_state().get("processes", {}).items()
        }

    def running(self) -> dict[str, bool]:
        records = self.records()
        return {name: name in records and records[name].find() is not None for name in self.names}

    def command_line(self, *arguments: str) -> list[str]:
        """Airflow's command line in this Python environment."""
        return [sys.executable, "-m", "airflow", *arguments]

    def fingerprint(self) -> str:
        """A hash of code, settings and packages, whose changes running processes do not notice."""
        environment = self.environment()
        relevant = {name: value for name, value in environment.items() if name.startswith(("AIRFLOW", "MIDNIGHT"))}
        digest = hashlib.sha256(json.dumps(relevant, sort_keys=True).encode())
        digest.update(version("apache-airflow").encode())
        for folder in _WATCHED_FOLDERS:
            for path in sorted((REPOSITORY / folder).rglob("*.py")):
                digest.update(f"{path}{path.stat().st_mtime_ns}".encode())
        return digest.hexdigest()

    def start(self, on_progress: Callable[[str], None] = lambda text: None) -> None:
        """Start the missing processes; restart those with older code or settings, or without a heartbeat.

        Args:
            on_progress: gets a line for people when Airflow is restarted.

        Raises:
            AirflowServicesError: the metadata database cannot be created.
        """
        state = self.instance.read_state()
        fingerprint = self.fingerprint()
        running = self.running()
        if any(running.values()) and state.get("fingerprint") != fingerprint:
            on_progress("code or settings changed: Airflow restarts")
            self.stop()
            running = dict.fromkeys(self.names, False)
        if any(running.values()):
            stalled = wait_for_stalled(self, on_progress)
            if stalled:
                on_progress(f"{', '.join(map(str, stalled))}: Airflow restarts")
                self.stop()
                running = dict.fromkeys(self.names, False)
        if all(running.values()):
            return
        dead = [record for record in self.records().values() if record.find() is None]
        if left_behind(dead):
            self.stop()  # a killed scheduler's workers
            running = dict.fromkeys(self.names, False)
        if not any(running.values()) and members(self.instance.id):
            self.stop()  # left by a killed `make up`
        environment = self.environment()
        write_atomically(
            password_file(self.instance), json.dumps({ADMIN: self.instance.secrets["airflow_admin_password"]}) + "\n"
        )
        self._migrate(environment, state)
        records = {name: record.as_dict() for name, record in self.records().items() if record.find() is not None}
        for name in self.names:
            if running[name]:
                continue
            options = {
                "api-server": ["--host", "127.0.0.1", "--port", str(self.port)],
                # Serving logs would listen on a fixed port of every address; the API server reads the files.
                "scheduler": ["--skip-serve-logs"],
                "triggerer": ["--skip-serve-logs"],
            }.get(name, [])
            log = self.instance.logs / f"airflow-{name}.log"
            command = self.command_line(name, *options)
            own: dict[str, str] = {}
            if name == "api-server":
                own = _as_variables(api_server_settings(self.instance))
            elif name == "scheduler":
                command, own = [sys.executable, "-m", "cli.airflow.scheduler", name, *options], NO_THREADS
            record = start(command, environment=environment | own, log=log)
            records[name] = record.as_dict()
            self.instance.update_state(processes=records, fingerprint=fingerprint)

    def stop(self) -> None:
        """Stop all processes of the instance except PostgreSQL, including running tasks."""
        records = self.records()
        stop_all(list(records.values()), self.instance.id)
        self.instance.update_state(processes={}, fingerprint="")

    def wait_until_healthy(self) -> None:
        """Wait for the API server, the scheduler and the DAG processor.

        Raises:
            AirflowServicesError: one of them ended, or is not ready in time, with its log.
        """
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        needed = ("metadatabase", "scheduler", "dag_processor")
        health: dict[str, Any] = {}
        while time.monotonic() < deadline:
            for name, runs in self.running().items():
                if not runs:
                    raise AirflowServicesError(f"Airflow's {name} ended: {self._last_error(name)}")
            health = request_health(self.url)
            if all(health.get(part, {}).get("status") == "healthy" for part in needed):
                return
            time.sleep(0.25)
        late = [part for part in needed if health.get(part, {}).get("status") != "healthy"]
        raise AirflowServicesError(
            f"Airflow is not ready after {START_TIMEOUT_SECONDS} s ({', '.join(late)}): "
            f"see the logs in {self.instance.logs}"
        )

    def _migrate(self, environment: Mapping[str, str], state: Mapping[str, Any]) -> None:
        """Create the metadata database: once per Airflow version, since this takes six seconds."""
        wanted = version("apache-airflow")
        if state.get("database_version") == wanted and (self.instance.airflow_home / "airflow.db").exists():
            return
        log = self.instance.logs / "airflow-db-migrate.log"
        with log.open("wb") as output:
            try:
                result = subprocess.run(
                    self.command_line("db", "migrate"),
                    env=dict(environment),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    timeout=MIGRATION_TIMEOUT_SECONDS,
                    check=False,
                )
            except subprocess.TimeoutExpired:
                raise AirflowServicesError(
                    f"`airflow db migrate` was not finished after {MIGRATION_TIMEOUT_SECONDS} s (log: {log})"
                ) from None
        if result.returncode != 0:
            raise AirflowServicesError(f"`airflow db migrate` failed: {_read_last_line(log)} (log: {log})")
        self.instance.update_state(database_version=wanted)

    def _last_error(self, name: str) -> str:
        log = self.instance.logs / f"airflow-{name}.log"
        return f"{_read_last_line(log)} (log: {log})"


def _read_last_line(log: Path) -> str:
    return last_line(log.read_text(encoding="utf-8", errors="replace"))


def _without_proxy(value: str) -> str:
    return ",".join(filter(None, [value, "127.0.0.1", "localhost"]))


def _as_variables(settings: Mapping[str, str]) -> dict[str, str]:
    """Settings under the names by which Airflow reads them from the environment."""
    return {f"AIRFLOW__{key.upper()}": value for key, value in settings.items()}
