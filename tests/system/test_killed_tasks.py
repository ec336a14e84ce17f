"""kill -9 of the task process while it extracts, cleans and builds: the next try ends right, under a real Airflow.

Each stage is killed once in the same run, in the middle of its work. Meanwhile a reader asks the views again and again:
it must see the rows of the previous run or of this one, never a part.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import psycopg
import pytest
from deltalake import DeltaTable

from cli.demo.new_day import advance_one_day
from midnight.lake.ledger import latest_entries, read_ledger
from midnight.lake.paths import LakePaths
from tests.support.demo_instance import DemoInstance
from tests.support.waiting import LIMIT_SECONDS

pytestmark = [pytest.mark.airflow, pytest.mark.slow]


def flights_in_views(home: DemoInstance) -> tuple[int, int]:
    """Flights that a reader sees in the fact table, and in the mart made from it."""
    fact, mart = "SELECT count(*) FROM gold.fact_flight", "SELECT sum(flights) FROM gold.mart_daily_punctuality"
    return home.ask(f"SELECT ({fact}), ({mart})")[0]


def kill(victim: psutil.Process) -> list[int]:
    """Kill a task process; the ids of the children that it had."""
    children = [child.pid for child in victim.children(recursive=True)]
    victim.kill()
    return children


def jobs_of_server(home: DemoInstance) -> list[int]:
    """The ids of the jobs that run in the job server: children of its children."""
    server = psutil.Process(home.instance.read_state()["processes"]["job-server"]["pid"])
    return [job.pid for supervisor in server.children() for job in supervisor.children()]


def kill_while_extracting(dsn: str, stop: threading.Event) -> list[int]:
    """Kill the task process whose COPY the server is at work on, as soon as there is one; see kill().

    All the COPYs of the demo take less than a second: this looks on a connection of its own and does nothing else.
    """
    copying = "SELECT client_port FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'COPY %TO STDOUT%'"
    with psycopg.connect(dsn, autocommit=True) as connection:
        while not stop.is_set():
            ports = {port for (port,) in connection.execute(copying)}
            links = (link for link in psutil.net_connections("tcp") if link.laddr.port in ports) if ports else ()
            victim = next((psutil.Process(link.pid) for link in links if link.pid), None)
            if victim is not None:
                return kill(victim)
            time.sleep(0.01)
    return []


def task_of_job(step: str) -> Callable[[DemoInstance], psutil.Process | None]:
    """The task process that waits for a Spark job: it has written its name and process into the lake's lock."""

    def find(home: DemoInstance) -> psutil.Process | None:
        holder = Path(home.settings.paths.lock_file).read_text()
        found = re.search(rf"{step} of the run killed \(process (\d+)\)", holder)
        if found is None or not jobs_of_server(home):
            return None
        return psutil.Process(int(found[1]))

    return find


def entries_of(folder: Callable[[LakePaths], str], pattern: str = "*") -> Callable[[DemoInstance], int]:
    """How many files and folders a folder of the lake has: one more, and the work on it has begun."""
    return lambda home: len(list(Path(folder(home.settings.paths)).glob(pattern)))


# Whom to kill, and what shows that it is in the middle of its work: the ledger's entry `started`, the new folder of any
# model (the last ones are too near to the end of the job).
EXTRACTION = "ingest.postgres_to_bronze_main"
JOBS = {
    "silver.bronze_to_silver": (task_of_job("bronze_to_silver"), entries_of(lambda p: f"{p.ledger}/_delta_log")),
    "gold.silver_to_gold": (task_of_job("silver_to_gold"), entries_of(lambda p: p.gold, "*/*")),
}


def kill_in_mid_work(home: DemoInstance, task: str) -> list[int] | None:
    """Kill the task that waits for a job, once the job has published something; None as long as it does not run."""
    find, progress = JOBS[task]
    before_work = progress(home)
    victim = find(home)
    if victim is None:
        return None
    while progress(home) == before_work and victim.is_running():
        time.sleep(0.01)
    jobs = jobs_of_server(home)
    assert jobs, f"the job of {task} does not run in the job server"
    return [*jobs, *kill(victim)]


@pytest.fixture
def kill_extraction(home, first_run):
    """Called just before a run is triggered: its extraction is killed, and the result has the children that it had."""
    stop = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        yield lambda: pool.submit(kill_while_extracting, home.source().dsn, stop)
        stop.set()


def test_killed_in_every_stage_the_night_still_ends_right(home, first_run, kill_extraction):
    before = flights_in_views(home)
    changes = advance_one_day(home.source())
    client = home.client
    extraction = kill_extraction()
    home.trigger("killed")
    killed: dict[str, list[int]] = {}
    seen = set()
    deadline = time.monotonic() + LIMIT_SECONDS
    while (state := client.run_state("killed")) not in ("success", "failed") and time.monotonic() < deadline:
        seen.add(flights_in_views(home))
        task = next((name for name in JOBS if name not in killed), None)
        if task is not None and (children := kill_in_mid_work(home, task)) is not None:
            killed[task] = children
        time.sleep(0.02)

    assert extraction.done(), "no extraction was seen"
    killed[EXTRACTION] = extraction.result()
    assert set(killed) == {EXTRACTION, *JOBS}
    assert state == "success"
    tasks = client.tasks("killed")
    assert {name: tasks[name].attempt for name in killed} == dict.fromkeys(killed, 2)
    assert [pid for children in killed.values() for pid in children if psutil.pid_exists(pid)] == []

    after = flights_in_views(home)
    added = changes.flights_added - changes.flights_withdrawn
    assert after == (before[0] + added, before[1] + added)
    assert seen <= {before, after}


def test_no_row_was_lost_or_doubled(home, first_run):
    with psycopg.connect(home.source().dsn) as connection:
        ids = {row[0] for row in connection.execute("SELECT flight_id FROM flights")}
    silver = DeltaTable(home.settings.paths.silver_table("flights")).to_pyarrow_table(columns=["flight_id"])
    quarantine = DeltaTable(home.settings.paths.quarantine).to_pyarrow_table().to_pylist()
    newest = max(row["batch_id"] for row in quarantine)
    out = {row["key"] for row in quarantine if row["batch_id"] == newest and row["table"] == "flights"}
    found = silver["flight_id"].to_pylist()
    assert len(found) == len(set(found)) == len(ids) - len(out)
    assert set(found) <= ids
    entries = latest_entries(read_ledger(home.settings.paths.ledger))
    assert [entry.imbalance for entry in entries] == [""] * len(entries)
