"""The incidents of docs/incidents.md, brought about on a running demo; the hint of each alert is followed.

`make prove-incidents` runs this module, which takes minutes and is not part of `make test`; what the alerts said, and
after how many seconds, is kept in tests/data/incidents.json, which docs/incidents.md is compared with.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import psutil
import pytest

from cli.demo.start import demo_postgres
from cli.instance.connections import read_connections, write_connection
from midnight.settings import REPOSITORY
from midnight.silver_to_gold.builds import read_builds
from tests.support.alert_sinks import web_sink
from tests.support.incident_demo import IncidentDemo
from tests.support.incidents import CHOSEN, Record, keep, wait_for_alert
from tests.support.ingest_run import run_sql
from tests.support.waiting import wait_for

pytestmark = [
    pytest.mark.airflow,
    pytest.mark.slow,
    pytest.mark.skipif(not os.environ.get(CHOSEN), reason="make prove-incidents runs it"),
]

ZONE = ZoneInfo("America/New_York")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[IncidentDemo]:
    """A running demo; its lake is a file system of its own where this user may mount one."""
    with web_sink() as sink:
        demo = IncidentDemo(tmp_path_factory.mktemp("incidents"), sink)
        mount = ["mount", "-t", "tmpfs", "-o", "size=400m,mode=0700", "tmpfs", str(demo.lake)]
        mounted = subprocess.run(mount, check=False, capture_output=True).returncode == 0
        try:
            demo.instance.create()
            write_connection(demo.instance.connections, "sink", {"conn_type": "http", "host": sink.url})
            done = demo.run("up")
            assert done.returncode == 0, done.stdout + done.stderr
            yield demo
        finally:
            demo.run("reset")
            if mounted:
                subprocess.run(["umount", "-l", str(demo.lake)], check=False)


@contextlib.contextmanager
def edited(path: Path, old: str, new: str) -> Iterator[None]:
    good = path.read_text()
    assert old in good
    path.write_text(good.replace(old, new, 1))
    try:
        yield
    finally:
        path.write_text(good)


def test_source_down(demo: IncidentDemo):
    postgres = demo_postgres(demo.instance, demo.source_port)
    postgres.stop()
    before, begun = demo.begin("manual__source_down")
    alert = wait_for_alert(demo.sink, "retrying", before)
    seconds = time.monotonic() - begun
    postgres.start()
    assert demo.wait_for_run("manual__source_down") == "success"
    recovered = wait_for_alert(demo.sink, "recovered", before, seconds=60)
    keep("source down", Record(alert, seconds, {"recovered": recovered["headline"]}))


def test_wrong_password(demo: IncidentDemo):
    good = read_connections(demo.instance.connections)["midnight_source"]
    write_connection(demo.instance.connections, "midnight_source", good | {"password": "wrong-canary"})
    before, begun = demo.begin("manual__wrong_password", scheduled=True)
    alert = wait_for_alert(demo.sink, "failed", before)
    seconds = time.monotonic() - begun
    assert demo.wait_for_run("manual__wrong_password") == "failed"
    assert demo.client.tasks("manual__wrong_password")["ingest.postgres_to_bronze_main"].attempt == 1, "no retry"
    assert "wrong-canary" not in str(demo.sink.posts)
    write_connection(demo.instance.connections, "midnight_source", good)
    assert demo.recover(alert, before) == "manual__wrong_password"
    keep("wrong password", Record(alert, seconds))


def test_column_renamed(demo: IncidentDemo):
    run_sql(demo.source(), "ALTER TABLE weather RENAME COLUMN pressure TO pressure_hpa")
    before, begun = demo.begin("manual__column_renamed")
    alert = wait_for_alert(demo.sink, "schema_changed", before)
    seconds = time.monotonic() - begun
    assert demo.wait_for_run("manual__column_renamed") == "success"
    told = len(demo.sink.posts)
    table = demo.settings.config / "tables" / "public.weather.yml"
    assert "  - name: pressure\n" in table.read_text()
    table.write_text(
        table.read_text().replace("  - name: pressure\n", "  - name: pressure\n    source: pressure_hpa\n")
    )
    for run_id in ("manual__after_the_rename", "manual__after_the_rename_2"):
        demo.begin(run_id)
        assert demo.wait_for_run(run_id) == "success"
    assert [document for _, document in demo.sink.posts[told:]] == [], "the change is told once"
    keep("column renamed", Record(alert, seconds))


def test_column_of_another_type(demo: IncidentDemo):
    change = "ALTER TABLE weather ALTER wind_speed TYPE {0} USING wind_speed::{0}"
    run_sql(demo.source(), change.format("text"))
    before, begun = demo.begin("manual__another_type", scheduled=True)
    alert = wait_for_alert(demo.sink, "failed", before)
    seconds = time.monotonic() - begun
    assert demo.wait_for_run("manual__another_type") == "failed"
    run_sql(demo.source(), change.format("double precision"))
    demo.recover(alert, before)
    keep("column of another type", Record(alert, seconds))


FAILING = """checks:
  - {rule: expression, name: no_hawaiian, sql: "airline_key <> 'HA'", on_failure: fail}
"""


def test_check_failed(demo: IncidentDemo):
    model = demo.settings.config / "sql" / "gold" / "dim_airline.yml"
    with edited(model, "checks:\n", FAILING):
        before, begun = demo.begin("manual__check_failed", scheduled=True)
        alert = wait_for_alert(demo.sink, "failed", before)
        seconds = time.monotonic() - begun
        assert demo.wait_for_run("manual__check_failed") == "failed"
    run_id = demo.recover(alert, before)
    checks = read_builds(demo.settings.paths.gold_builds)[-1]
    assert checks.run_id == run_id
    assert "no_hawaiian" not in {check.name for check in checks.models["dim_airline"].checks}, "not the old model"
    keep("check failed", Record(alert, seconds))


def test_release_by_a_person(demo: IncidentDemo):
    model = demo.settings.config / "sql" / "gold" / "dim_airline.yml"
    run_id, task, reason = "manual__released", "gold.silver_to_gold", "the board meets at 8"
    with edited(model, "checks:\n", FAILING), edited(demo.pipeline, "alerts:", "release: {ask: true}\nalerts:"):
        before, begun = demo.begin(run_id)
        alert = wait_for_alert(demo.sink, "failed", before)
        seconds = time.monotonic() - begun
        wait_for(lambda: demo.client.tasks(run_id)[task].state == "awaiting_input")
        answer = {"chosen_options": ["Approve"], "params_input": {"reason": reason}}
        demo.call("PATCH", f"dags/midnight_pipeline/dagRuns/{run_id}/taskInstances/{task}/-1/hitlDetails", answer)
        assert demo.wait_for_run(run_id) == "success"
    build = read_builds(demo.settings.paths.gold_builds)[-1]
    assert build.run_id == run_id
    assert reason in build.models["dim_airline"].released
    status = " ".join(demo.run("status").stdout.split())
    document = json.loads(subprocess.run(
        [sys.executable, "-m", "cli", "status", "--json"], cwd=REPOSITORY, env={**os.environ, **demo.variables},
        capture_output=True, text=True, check=True, timeout=100,
    ).stdout)  # fmt: skip
    for shown in (status, str(document["releases"]), demo.page()):
        assert f"gold.dim_airline: no_hawaiian: released by admin at {datetime.now(UTC):%Y-%m-%d}" in shown
        assert reason in shown
    wait_for_alert(demo.sink, "recovered", before, seconds=60)
    keep("released by a person", Record(alert, seconds, {"status": document["releases"][0]}))
    demo.begin("manual__after_the_release")
    assert demo.wait_for_run("manual__after_the_release") == "success"


def test_quarantine_doubled(demo: IncidentDemo):
    add = "INSERT INTO airports SELECT 'Z0' || n, 'incident', 40, 100, 0, -5, 'A', NULL FROM generate_series(1, 3) AS n"
    run_sql(demo.source(), add)
    before, begun = demo.begin("manual__quarantine")
    alert = wait_for_alert(demo.sink, "quarantine", before)
    seconds = time.monotonic() - begun
    assert demo.wait_for_run("manual__quarantine") == "success"
    explained = demo.follow(alert["command"]).stdout
    assert "lies_in_the_united_states" in explained
    assert "Z01" in explained
    assert "Z01" not in str(alert), "an alert has no values"
    run_sql(demo.source(), "DELETE FROM airports WHERE name = 'incident'")
    keep("quarantine doubled", Record(alert, seconds, {"command says": explained.strip().splitlines()[0]}))


def test_rows_dropped_by_a_third(demo: IncidentDemo):
    rule = "expectations: {rules: [{figure: rows, drop_percent: 20, on_failure: warn}]}\nalerts:"
    run_sql(demo.source(), "CREATE TABLE kept_weather AS TABLE weather", "DELETE FROM weather WHERE month % 3 = 0")
    with edited(demo.pipeline, "alerts:", rule):
        before, begun = demo.begin("manual__rows_dropped")
        alert = wait_for_alert(demo.sink, "anomaly", before)
        seconds = time.monotonic() - begun
        assert demo.wait_for_run("manual__rows_dropped") == "success"
    run_sql(
        demo.source(),
        "INSERT INTO weather SELECT * FROM kept_weather WHERE month % 3 = 0",
        "DROP TABLE kept_weather",
    )
    keep("rows dropped by a third", Record(alert, seconds))


def test_disk_full(demo: IncidentDemo):
    if not os.path.ismount(demo.lake):
        pytest.skip("this user may not mount a file system to fill")
    filler, free = demo.lake / "filler", os.statvfs(demo.lake)
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, free.f_bavail * free.f_frsize)
    before, begun = demo.begin("manual__disk_full", scheduled=True)
    alert = wait_for_alert(demo.sink, "retrying", before)
    seconds = time.monotonic() - begun
    failed = wait_for_alert(demo.sink, "failed", before)
    assert demo.wait_for_run("manual__disk_full") == "failed"
    filler.unlink()
    demo.follow(failed["command"])
    wait_for(lambda: demo.client.run_state("manual__disk_full") != "failed")
    assert demo.wait_for_run("manual__disk_full") == "success"
    keep("disk full", Record(alert, seconds, {"failed": failed["cause"], "failed command": failed["command"]}))


def test_run_late(demo: IncidentDemo):
    now = datetime.now(ZONE).replace(second=0, microsecond=0)
    due, deadline = now + timedelta(minutes=1), now + timedelta(minutes=4)
    before = len(demo.sink.posts)
    demo.call("PATCH", "dags/midnight_pipeline", {"is_paused": True})
    schedule = f'cron: "{due.minute} {due.hour} * * *"'
    publish_by = f'alerts:\n  publish_by: "{deadline:%H:%M}"\n'
    with edited(demo.pipeline, 'cron: "0 0 * * *"', schedule), edited(demo.pipeline, "alerts:\n", publish_by):
        alert = wait_for_alert(demo.sink, "late", before, seconds=500)
        seconds = (datetime.now(ZONE) - deadline).total_seconds()
        listed = demo.follow(alert["command"]).stdout
        assert "manual__" in listed
        demo.call("PATCH", "dags/midnight_pipeline", {"is_paused": False})
        demo.begin("manual__after_the_deadline")
        wait_for_alert(demo.sink, "recovered", before, seconds=120)
    keep("run late", Record(alert, seconds))


def test_scheduler_dead(demo: IncidentDemo):
    """Airflow cannot tell it: the check from outside and `midnight status` do."""
    pid = demo.instance.read_state()["processes"]["scheduler"]["pid"]
    scheduler = psutil.Process(pid)
    for process in [*scheduler.children(recursive=True), scheduler]:
        process.kill()
    begun = time.monotonic()
    status = demo.run("status").stdout
    seconds = time.monotonic() - begun
    line = next(line for line in status.splitlines() if "scheduler" in line)
    time.sleep(61)  # the age that is allowed
    command = [sys.executable, "-m", "cli", "status", "--fail-if-older-than", "1m"]
    late = subprocess.run(
        command, cwd=REPOSITORY, env={**os.environ, **demo.variables}, capture_output=True, text=True, check=False
    )
    told = [line for line in (late.stdout + late.stderr).splitlines() if "publication" in line]
    done = demo.run("up")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "✓" in next(line for line in demo.run("status").stdout.splitlines() if "scheduler" in line)
    keep("scheduler dead", Record({}, None, {"status": " ".join(line.split()), "status seconds": f"{seconds:.0f}",
                                             "check from outside": told[-1] if told else ""}))  # fmt: skip
