"""The report page inside a real Airflow: what it shows after a failed run, and who may see it."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Iterator
from urllib.parse import quote

import httpx
import pytest

from cli.instance.connections import write_connection
from midnight.silver_to_gold.builds import read_builds
from tests.support.alert_sinks import WebSink, web_sink
from tests.support.demo_instance import DemoInstance
from tests.support.html_page import Page
from tests.support.ingest_run import run_sql
from tests.support.waiting import LIMIT_SECONDS

pytestmark = [pytest.mark.airflow, pytest.mark.slow]


def token(home: DemoInstance) -> str:
    login = {"username": "admin", "password": home.instance.secrets["airflow_admin_password"]}
    return httpx.post(f"{home.services.url}/auth/token", json=login, trust_env=False).json()["access_token"]


def page(home: DemoInstance) -> Page:
    """The page as opened from Airflow's navigation."""
    headers = {"Authorization": f"Bearer {token(home)}"}
    answer = httpx.get(f"{home.services.url}/midnight/", headers=headers, trust_env=False)
    assert answer.status_code == 200
    return Page(answer.text)


def words(shown: Page) -> str:
    return " ".join(shown.words.split())


def file(home: DemoInstance) -> Page:
    return Page(home.settings.report_page.read_text(encoding="utf-8"))


def clear(home: DemoInstance, run_id: str, task_id: str) -> None:
    """Clear a task and its downstream tasks, as the button in the UI does, and wait for the end of the run."""
    body = {"dry_run": False, "dag_run_id": run_id, "task_ids": [task_id], "include_downstream": True}
    answer = httpx.post(
        f"{home.services.url}/api/v2/dags/midnight_pipeline/clearTaskInstances",
        json=body | {"only_failed": False},
        headers={"Authorization": f"Bearer {token(home)}"},
        trust_env=False,
    )
    assert answer.status_code == 200, answer.text
    assert home.wait_for_run(run_id) == "success"


@contextlib.contextmanager
def alerts_to(home: DemoInstance, sink: WebSink) -> Iterator[None]:
    """The instance with this channel for its alerts."""
    write_connection(home.instance.connections, "sink", {"conn_type": "http", "host": sink.url})
    pipeline = home.settings.config / "pipeline.yml"
    quiet = pipeline.read_text()
    pipeline.write_text(f"{quiet}\nalerts: {{channels: [{{kind: webhook, connection: sink}}]}}\n")
    try:
        yield
    finally:
        pipeline.write_text(quiet)


def test_a_failed_run_is_shown_and_reported_until_the_next_successful_one(home, first_run):
    with web_sink() as sink, alerts_to(home, sink):
        fail_and_repair(home, run_id := "manual__a_view_is_wrong")
        deadline = time.monotonic() + LIMIT_SECONDS  # callbacks run after the run has ended
        while len(sink.posts) < 3 and time.monotonic() < deadline:
            time.sleep(0.2)
    retrying, failed, recovered = (document for _, document in sink.posts)
    assert [each["event"] for each in (retrying, failed, recovered)] == ["retrying", "failed", "recovered"]
    assert retrying["headline"] == "nycflights: try 1 of 3 failed in serve.gold_to_serving"
    assert failed["headline"] == "nycflights: the run failed in serve.gold_to_serving"
    assert "departure_hour" in failed["cause"]
    assert not any(name in str(failed) for name in ("Newark", "Kennedy", "La Guardia")), "no value of a row"
    assert failed["readers"].startswith("Readers have the data published at ")
    assert f"/runs/{run_id}" in failed["links"]["Run"]


def fail_and_repair(home: DemoInstance, run_id: str) -> None:
    assert "✓ Published at" in words(page(home))
    assert "Not published" not in words(file(home))
    view = home.settings.config / "sql" / "serving" / "departure_hour.sql"
    good = view.read_text()
    # No check can know that no name is a number: the error appears only when the view is read.
    view.write_text(good.replace("    f.origin_name,", "    CAST(f.origin_name AS INT) AS origin_name,", 1))
    try:
        home.trigger(run_id)
        assert home.wait_for_run(run_id) == "failed"
    finally:
        view.write_text(good)

    status = home.run("status").stdout
    assert "✗ task serve.gold_to_serving failed" in status
    assert "ServingError: " in status

    shown, stored = page(home), file(home)
    for found in (shown, stored):
        assert "✗ Not published." in words(found)
        assert "serve.gold_to_serving · Log · try 3 of 3, will not retry" in words(found)
        assert "midnight airflow dags trigger midnight_pipeline" in words(found)
        assert "Readers still see" in words(found)
        assert not [a for _, a in found.tags if "good" in str(a.get("class", "")).split()], "no green under a failure"
    newest = next([cell.strip() for cell in row] for row in shown.cells if row and row[-1].strip() == run_id)
    assert newest[1] == "failed serve.gold_to_serving"
    links = {attributes.get("href") for tag, attributes in shown.tags if tag == "a"}
    assert f"../dags/midnight_pipeline/runs/{quote(run_id, safe='')}" in links
    assert f"../dags/midnight_pipeline/runs/{quote(run_id, safe='')}/tasks/serve.gold_to_serving" in links

    clear(home, run_id, "serve.gold_to_serving")
    for found in (page(home), file(home)):
        assert "✗" not in words(found).partition("Last ")[0]


def test_a_stopped_table_ends_the_run_red_and_everything_else_is_published(home, first_run):
    names = "SELECT airline_name FROM gold.dim_airline WHERE airline_key = 'HA'"
    builds, ((old_name,),) = read_builds(home.settings.paths.gold_builds), home.ask(names)
    run_sql(
        home.source(),
        "ALTER TABLE weather ALTER wind_speed TYPE text",
        "UPDATE airlines SET name = 'Renamed' WHERE carrier = 'HA'",
    )
    try:
        home.trigger(red := "manual__a_table_is_stopped")
        assert home.wait_for_run(red) == "failed"
    finally:
        run_sql(
            home.source(),
            "ALTER TABLE weather ALTER wind_speed TYPE double precision USING wind_speed::double precision",
            "UPDATE airlines SET name = 'Hawaiian Airlines Inc.' WHERE carrier = 'HA'",
        )
    states = {name: task.state for name, task in home.client.tasks(red).items()}
    assert [name for name, state in states.items() if state == "failed"] == ["check_stopped_tables"], states
    build = read_builds(home.settings.paths.gold_builds)[-1]
    assert (build.run_id, home.ask(names)) == (red, [("Renamed",)])
    kept = {name: model.path for name, model in builds[-1].models.items()}
    assert build.models["dim_airline"].path != kept["dim_airline"]
    assert build.models["mart_weather_effect"].path == kept["mart_weather_effect"]
    status = " ".join(home.run("status").stdout.split())
    for found in (status, words(page(home))):
        assert "check_stopped_tables" in found
        assert "1 table was not loaded by this run" in found
        assert "public.weather: column 'wind_speed' is text in the source" in found
        assert "used downstream by gold.mart_weather_effect" in found
        assert "reporting.weather_effect" in found

    home.trigger(green := "manual__the_table_is_corrected")
    assert home.wait_for_run(green) == "success"
    assert home.ask(names) == [(old_name,)]
    assert "The last run failed" not in words(page(home))


def test_the_page_requires_a_login(home, first_run):
    for headers in ({}, {"Authorization": "Bearer wrong"}):
        assert httpx.get(f"{home.services.url}/midnight/", headers=headers, trust_env=False).status_code in (401, 403)
    with httpx.Client(trust_env=False, follow_redirects=True, headers={"Accept": "text/html"}) as browser:
        answer = browser.get(f"{home.services.url}/midnight/")
    assert answer.status_code == 200
    assert answer.url.path == "/auth/login", "a bookmark opens the sign-in"
    assert answer.url.params["next"] == f"{home.services.url}/midnight/"


def test_a_backfill_is_refused_with_a_message(home, first_run):
    dates = ["--from-date", "2026-01-01", "--to-date", "2026-01-03"]
    line = home.services.command_line("backfill", "create", "--dag-id", "midnight_pipeline", *dates)
    done = subprocess.run(line, env=home.services.environment(), capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "does not allow backfill runs" in done.stdout + done.stderr
    assert [run for run in home.client.runs(limit=50) if run["run_type"] == "backfill"] == []
