"""The report page inside a real Airflow: what it shows after a failed run, and who may see it."""

from __future__ import annotations

import subprocess
from urllib.parse import quote

import httpx
import pytest

from tests.support.demo_instance import DemoInstance
from tests.support.html_page import Page

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


def test_a_failed_run_is_shown_on_top_until_the_next_successful_one(home, first_run):
    assert "✓ The last run succeeded" in words(page(home))
    assert "The last run failed" not in words(file(home))
    view = home.settings.config / "sql" / "serving" / "departure_hour.sql"
    good = view.read_text()
    # No check can know that no name is a number: the error appears only when the view is read.
    view.write_text(good.replace("    f.origin_name,", "    CAST(f.origin_name AS INT) AS origin_name,", 1))
    run_id = "manual__a_view_is_wrong"
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
        assert "✗ The last run failed" in words(found)
        assert "serve.gold_to_serving: ServingError: " in words(found)
        assert run_id in found.text
        assert "Every row is accounted for" in words(found), "the last successful run is still shown below"
    newest = next([cell.strip() for cell in row] for row in shown.cells if row and row[-1].strip() == run_id)
    assert newest[1:3] == ["✗ failed", "serve.gold_to_serving"]
    assert newest[4] == next([cell.strip() for cell in row] for row in shown.cells if row and "All tables" in row[0])[1]
    links = {attributes.get("href") for tag, attributes in shown.tags if tag == "a"}
    assert f"../dags/midnight_pipeline/runs/{quote(run_id, safe='')}" in links

    clear(home, run_id, "serve.gold_to_serving")
    for found in (page(home), file(home)):
        assert "The last run failed" not in words(found)


def test_the_page_requires_a_login(home, first_run):
    for headers in ({}, {"Authorization": "Bearer wrong"}):
        assert httpx.get(f"{home.services.url}/midnight/", headers=headers, trust_env=False).status_code in (401, 403)


def test_a_backfill_is_refused_with_a_message(home, first_run):
    dates = ["--from-date", "2026-01-01", "--to-date", "2026-01-03"]
    line = home.services.command_line("backfill", "create", "--dag-id", "midnight_pipeline", *dates)
    done = subprocess.run(line, env=home.services.environment(), capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "does not allow backfill runs" in done.stdout + done.stderr
    assert [run for run in home.client.runs(limit=50) if run["run_type"] == "backfill"] == []
