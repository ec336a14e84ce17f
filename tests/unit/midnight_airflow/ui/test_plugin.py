"""The report page inside Airflow: access, the page before the first run, and the cost of its imports."""

from __future__ import annotations

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
from airflow.api_fastapi import app
from airflow.api_fastapi.core_api import security
from airflow.models.dag import DagModel
from fastapi.testclient import TestClient

from midnight.report.page_file import note_page
from midnight.report.run_history import RunHistory
from midnight.settings import python_path
from midnight_airflow.ui import recent_runs
from midnight_airflow.ui.report_page import NO_SCRIPTS, make_application, read_page

NOTHING_PUBLISHED = '<div class="verdict warn" role="status">'
POLICY = "default-src 'none'; script-src 'sha256-abc='"
PAGE = (
    '<html><meta http-equiv="Content-Security-Policy" content="default-src &#39;none&#39;; '
    'script-src &#39;sha256-abc=&#39;"><main><p>the report</p></main></html>'
)


class AuthManager:
    """The token is the user's name: a reader may read the pipeline's runs, an engineer its logs as well."""

    async def get_user_from_token(self, token):
        return SimpleNamespace(name=token)

    def is_authorized_dag(self, *, method, access_entity, details, user, **_):
        rights = {"reader": {"RUN"}, "engineer": {"RUN", "TASK_LOGS"}}.get(user.name, set())
        return (method, details.id) == ("GET", "midnight_pipeline") and access_entity.name in rights


@pytest.fixture
def client(monkeypatch, local_home, asked):
    for module in (app, security):  # Airflow's own checks, and the page's
        monkeypatch.setattr(module, "get_auth_manager", AuthManager)
    monkeypatch.setattr(DagModel, "get_team_name", staticmethod(lambda dag_id: None))  # asks the database
    # tests/system/test_report_page.py uses a real database.
    monkeypatch.setattr(
        recent_runs,
        "read_recent_runs",
        lambda session, dag_id, may_read_logs: asked.append(may_read_logs) or RunHistory(),
    )
    return TestClient(make_application())


@pytest.fixture
def asked():
    """``may_read_logs`` of each request."""
    return []


def get(client, token):
    return client.get("/", headers={"Authorization": f"Bearer {token}"} if token else {})


@pytest.mark.parametrize(("token", "status"), [(None, 401), ("stranger", 403), ("reader", 200)])
def test_only_readers_of_the_pipeline_see_it(client, token, status):
    assert get(client, token).status_code == status


@pytest.mark.parametrize(("token", "logs"), [("reader", False), ("engineer", True)])
def test_only_readers_of_logs_see_why_a_task_failed(client, asked, token, logs):
    assert get(client, token).status_code == 200
    assert asked == [logs]


@pytest.mark.parametrize("path", ["/docs", "/openapi.json", "/redoc", "/index.html"])
def test_no_other_path_is_served(client, path):
    assert client.get(path, headers={"Authorization": "Bearer reader"}).status_code == 404


def test_the_page_is_read_only(client):
    assert client.post("/", headers={"Authorization": "Bearer reader"}).status_code == 405


def test_before_the_first_run(client):
    answer = get(client, "reader")
    assert "No report yet" in answer.text
    assert NOTHING_PUBLISHED in answer.text
    assert answer.headers["content-security-policy"] == f"{note_page('', '')[1]}; frame-ancestors 'self'"


def test_the_page_with_its_own_policy(client, local_home):
    (local_home / "report").mkdir()
    (local_home / "report" / "index.html").write_text(PAGE, encoding="utf-8")
    answer = get(client, "reader")
    assert answer.text.startswith(PAGE.partition("<p>")[0])
    assert NOTHING_PUBLISHED in answer.text.partition("<p>the report</p>")[0]
    assert answer.headers["content-security-policy"] == f"{POLICY}; frame-ancestors 'self'"
    assert answer.headers["cache-control"] == "no-store"


def test_a_policy_further_down_is_ignored(local_home):
    """It could come from a database."""
    (local_home / "report").mkdir()
    (local_home / "report" / "index.html").write_text("<p>" + "x" * 2000 + PAGE, encoding="utf-8")
    assert read_page()[1] == NO_SCRIPTS


def test_the_azure_profile_shows_the_address_of_the_report(azure, monkeypatch):
    assert "MIDNIGHT_POWERBI_GROUP_ID" in read_page()[0]
    monkeypatch.setenv("MIDNIGHT_POWERBI_GROUP_ID", "a<b")
    monkeypatch.setenv("MIDNIGHT_POWERBI_DATASET_ID", "d")
    page, _ = read_page("<section>recent runs</section>")
    assert "The report is in Power BI" in page
    assert "https://app.powerbi.com/groups/a&lt;b/list" in page
    assert "<section>recent runs</section>" in page


def test_a_wrong_setting_is_reported(monkeypatch):
    monkeypatch.setenv("MIDNIGHT_PROFILE", "cloud")
    assert "Midnight is not configured" in read_page()[0]


@pytest.mark.slow
def test_airflow_finds_the_plugin_and_imports_little_for_it():
    code = (
        "import sys; from airflow import plugins_manager as p; "
        "loaded = {q.name: q for q in p._get_plugins()[0]}; plugin = loaded['midnight']; "
        "print(plugin.fastapi_apps[0]['url_prefix'], plugin.external_views[0]['href'], p._get_plugins()[1]); "
        "heavy = ('fastapi', 'duckdb', 'plotly', 'sqlglot', 'pyarrow', 'deltalake', 'midnight.report.templates'); "
        "print([m for m in heavy if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": python_path()},
    )
    assert done.stdout.splitlines()[-2:] == ["/midnight midnight/ {}", "[]"]
