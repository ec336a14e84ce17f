"""kill -9 of the task process while it extracts, cleans and builds: the next try ends right, under a real Airflow.

Each stage is killed once in the same run, in the middle of its work. Meanwhile a reader asks the views again and again:
it must see last night's rows or tonight's, never a part.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import psutil
import psycopg
import pytest
from deltalake import DeltaTable

from local.airflow_client import AirflowClient
from local.airflow_services import ADMIN, AirflowServices
from local.demo_source import advance_one_day, demo_login
from local.embedded_postgres import free_port
from local.instance import Instance
from local.processes import members
from local.source import demo_postgres
from midnight.ledger import latest_entries, read_ledger
from midnight.settings import load_settings

pytestmark = [pytest.mark.airflow, pytest.mark.slow, pytest.mark.timeout(900)]

REPOSITORY = Path(__file__).resolve().parents[2]
NIGHT_TIMEOUT_SECONDS = 400


class RunningInstance:
    """An instance of its own, after one good night, whose retries do not wait."""

    def __init__(self, folder: Path) -> None:
        self.home, include = folder / "home", folder / "include"
        shutil.copytree(REPOSITORY / "include", include)
        pipeline = (include / "pipeline.yml").read_text()
        (include / "pipeline.yml").write_text(
            pipeline.replace("retry_delay_seconds: 60", "retry_delay_seconds: 0").replace("retries: 2", "retries: 3")
        )
        self.source_port = free_port()
        self.variables = {
            "MIDNIGHT_HOME": str(self.home),
            "MIDNIGHT_CONFIG": str(include),
            "MIDNIGHT_AIRFLOW_PORT": str(free_port()),
            "MIDNIGHT_SOURCE_PORT": str(self.source_port),
        }
        self.settings = load_settings(self.variables)

    def command(self, name: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "local", name],
            cwd=REPOSITORY,
            env={**os.environ, **self.variables},
            capture_output=True,
            text=True,
            check=False,
        )

    @property
    def instance(self) -> Instance:
        return Instance(self.home)

    @property
    def services(self) -> AirflowServices:
        return AirflowServices(self.instance, self.settings, port=int(self.variables["MIDNIGHT_AIRFLOW_PORT"]))

    @property
    def client(self) -> AirflowClient:
        return AirflowClient(self.services.url, ADMIN, self.instance.secrets["airflow_admin_password"])

    def source(self):
        return demo_login(demo_postgres(self.instance, self.source_port).server)

    def trigger(self, run_id: str) -> None:
        line = self.services.command_line("dags", "trigger", "midnight_pipeline", "--run-id", run_id)
        subprocess.run(line, env=self.services.environment(), capture_output=True, check=True)

    def views(self) -> tuple[int, int]:
        """Flights that a reader sees in the fact table, and in the mart made from it."""
        with duckdb.connect(str(self.settings.serving_database), read_only=True) as connection:
            return connection.execute(
                "SELECT (SELECT count(*) FROM gold.fact_flight), (SELECT sum(flights) FROM gold.mart_daily_punctuality)"
            ).fetchone()


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    one = RunningInstance(tmp_path_factory.mktemp("killed"))
    try:
        first = one.command("up")
        assert first.returncode == 0, first.stdout + first.stderr
        yield one
    finally:
        one.command("reset")


def extracting_process(one: RunningInstance) -> psutil.Process | None:
    """The task process whose COPY the server is at work on."""
    with psycopg.connect(one.source().dsn) as connection:
        ports = [
            port
            for (port,) in connection.execute(
                "SELECT client_port FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'COPY %'"
            )
        ]
    if not ports:
        return None
    links = (link for link in psutil.net_connections("tcp") if link.laddr.port in ports)
    return next((psutil.Process(link.pid) for link in links if link.pid), None)


def parent_of_job(job: str) -> Callable[[RunningInstance], psutil.Process | None]:
    """The task process that waits for a Spark job."""

    def find(one: RunningInstance) -> psutil.Process | None:
        for process in members(one.instance.id):
            try:
                if f"spark_jobs.{job}" in process.cmdline():
                    return process.parent()
            except psutil.Error:
                continue
        return None

    return find


# What to kill, and how long after it was seen: in the middle of its work, not while it starts.
VICTIMS = {
    "ingest.postgres_to_bronze_main": (extracting_process, 0.0),
    "silver.bronze_to_silver": (parent_of_job("bronze_to_silver"), 4.0),
    "gold.silver_to_gold": (parent_of_job("silver_to_gold"), 4.0),
}


def test_killed_in_every_stage_the_night_still_ends_right(running):
    before = running.views()
    changes = advance_one_day(running.source())
    client = running.client
    running.trigger("killed")
    killed: dict[str, list[int]] = {}
    seen = set()
    deadline = time.monotonic() + NIGHT_TIMEOUT_SECONDS
    while (state := client.run_state("killed")) not in ("success", "failed") and time.monotonic() < deadline:
        if "ingest.postgres_to_bronze_main" in killed:  # a COPY takes a second: until it is seen, look for nothing else
            seen.add(running.views())
        task = next((name for name in VICTIMS if name not in killed), None)
        if task is not None:
            find, pause = VICTIMS[task]
            victim = find(running)
            if victim is not None:
                time.sleep(pause)
                killed[task] = [child.pid for child in victim.children(recursive=True)]
                victim.kill()
        time.sleep(0.02)

    assert set(killed) == set(VICTIMS)
    assert state == "success"
    tasks = client.tasks("killed")
    assert {name: tasks[name].attempt for name in VICTIMS} == dict.fromkeys(VICTIMS, 2)
    assert [pid for children in killed.values() for pid in children if psutil.pid_exists(pid)] == []

    after = running.views()
    added = changes.flights_added - changes.flights_withdrawn
    assert after == (before[0] + added, before[1] + added)
    assert seen <= {before, after}


def test_no_row_was_lost_or_doubled(running):
    with psycopg.connect(running.source().dsn) as connection:
        ids = {row[0] for row in connection.execute("SELECT flight_id FROM flights")}
    silver = DeltaTable(running.settings.paths.silver_table("flights")).to_pyarrow_table(columns=["flight_id"])
    quarantine = DeltaTable(running.settings.paths.quarantine).to_pyarrow_table().to_pylist()
    newest = max(row["batch_id"] for row in quarantine)
    out = {row["key"] for row in quarantine if row["batch_id"] == newest and row["table"] == "flights"}
    found = silver["flight_id"].to_pylist()
    assert len(found) == len(set(found)) == len(ids) - len(out)
    assert set(found) <= ids
    entries = latest_entries(read_ledger(running.settings.paths.ledger))
    assert [entry.imbalance for entry in entries] == [""] * len(entries)
