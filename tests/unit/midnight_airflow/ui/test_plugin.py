"""The report page inside Airflow: access, the page before the first run, and the cost of its imports."""

from __future__ import annotations

import os
import subprocess
import sys
from types import SimpleNamespace
from urllib.parse import quote

import pytest
from airflow.api_fastapi import app
from airflow.api_fastapi.core_api import security
from airflow.models.dag import DagModel
from fastapi.testclient import TestClient

from midnight.errors import LakeError
from midnight.report.run_history import RunHistory
from midnight.settings import load_settings, python_path
from midnight.summary.storage import write_summary
from midnight_airflow.hooks.lake import open_lake
from midnight_airflow.ui import recent_runs
from midnight_airflow.ui.report_page import NO_SCRIPTS, make_application, make_page, read_report
from tests.support import airflow_runs as runs
from tests.support import summaries as given
from tests.support.html_page import Page

NOW = runs.NOW
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


def get(client, token, path="/", **headers):
    headers |= {"Authorization": f"Bearer {token}"} if token else {}
    return client.get(path, headers=headers, follow_redirects=False)


PATHS = ("/", "/report", "/plotly.js")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(("token", "status"), [(None, {401}), ("stranger", {403}), ("reader", {200, 404})])
def test_only_readers_of_the_pipeline_see_it(client, token, status, path):
    assert get(client, token, path).status_code in status


@pytest.mark.parametrize("path", PATHS)
def test_a_browser_that_is_signed_out_goes_to_the_sign_in_and_back(client, path):
    answer = get(client, None, path, Accept="text/html,application/xhtml+xml")
    assert answer.status_code == 303
    assert answer.headers["location"] == f"../api/v2/auth/login?next=http%3A%2F%2Ftestserver{quote(path, safe='')}"
    assert get(client, "stranger", path, Accept="text/html").status_code == 403


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
    assert "No run has been published yet." in answer.text
    assert answer.headers["content-security-policy"].endswith("form-action 'none'; frame-ancestors 'self'")
    assert answer.headers["cache-control"] == "no-store"
    assert "No report yet" in get(client, "reader", "/report").text


def test_the_page_of_the_newest_summary(client, local_home):
    settings = load_settings()
    write_summary(open_lake(settings), settings.paths, given.eventful())
    page = make_page(runs.history(runs.airflow_run()), NOW)
    words = " ".join(Page(page.html).words.split())
    assert "1 new row in quarantine (airports)" in words
    assert "nycflights → lakehouse" in words
    assert get(client, "reader").status_code == 200


def test_the_report_with_its_own_policy_and_a_script_that_the_browser_keeps(client, local_home):
    folder = local_home / "report" / "airflow"
    folder.mkdir(parents=True)
    (folder / "report.html").write_text(PAGE, encoding="utf-8")
    (folder / "plotly.js").write_text("1", encoding="utf-8")
    answer = get(client, "reader", "/report")
    assert answer.text == PAGE
    assert answer.headers["content-security-policy"] == f"{POLICY}; frame-ancestors 'self'"
    script = get(client, "reader", "/plotly.js")
    assert script.headers["cache-control"] == "private, max-age=31536000, immutable"
    assert script.headers["content-type"].startswith("text/javascript")


def test_a_policy_further_down_is_ignored(local_home):
    """It could come from a database."""
    (local_home / "report" / "airflow").mkdir(parents=True)
    (local_home / "report" / "airflow" / "report.html").write_text("<p>" + "x" * 2000 + PAGE, encoding="utf-8")
    assert read_report()[1] == NO_SCRIPTS


class AzureLake:
    """The lake of the azure profile, in memory: what the page reads of it."""

    def __init__(self, summary):
        self.name, self.text = f"{summary.figures.batch_id}.json", summary.model_dump_json()

    def list_names(self, folder):
        assert folder.startswith("abfss://gold@"), "read through the lake of the account"
        return [self.name]

    def read_text(self, path):
        return self.text


def test_azure_shows_the_same_page_and_leads_to_power_bi(azure, monkeypatch):
    monkeypatch.setattr("midnight_airflow.hooks.lake.open_lake", lambda settings, *policy: AzureLake(given.eventful()))
    history = runs.history(runs.airflow_run())
    assert "MIDNIGHT_POWERBI_GROUP_ID and MIDNIGHT_POWERBI_DATASET_ID are not set" in make_page(history, NOW).html
    monkeypatch.setenv("MIDNIGHT_POWERBI_GROUP_ID", "a<b")
    monkeypatch.setenv("MIDNIGHT_POWERBI_DATASET_ID", "d")
    page = Page(make_page(history, NOW).html)
    assert "1 new row in quarantine (airports)" in " ".join(page.words.split())
    assert "https://app.powerbi.com/groups/a%3Cb/list" in [a.get("href") for _, a in page.tags]


def test_a_lake_that_cannot_be_read_is_said_and_the_runs_are_shown(azure, monkeypatch):
    def refuse(settings, *policy):
        raise LakeError("the lake is away; hint: wait")

    monkeypatch.setattr("midnight_airflow.hooks.lake.open_lake", refuse)
    words = " ".join(Page(make_page(runs.history(runs.airflow_run()), NOW).html).words.split())
    assert "The figures of the run are missing: the lake is away" in words
    assert "Last 30 runs" in words


def test_a_wrong_setting_is_reported(monkeypatch):
    monkeypatch.setenv("MIDNIGHT_PROFILE", "cloud")
    assert "Midnight is not configured" in make_page(RunHistory(), NOW).html


@pytest.mark.slow
def test_the_page_is_rendered_without_duckdb_plotly_and_the_lake_s_engines():
    code = (
        "import sys; sys.path[:0] = ['.']; from tests.support import airflow_runs as runs, summaries as given; "
        "from midnight_airflow.ui import report_page; "
        "from midnight.report.status_page import render_status_page as render; "
        "render(given.eventful(), runs.history(runs.airflow_run()), runs.SURROUNDINGS, runs.NOW); "
        "import midnight.report.page_file, midnight_airflow.hooks.lake, midnight.configuration.pipeline; "
        "print([m for m in ('duckdb', 'plotly', 'pyarrow', 'deltalake', 'pyspark', 'pandas') if m in sys.modules])"
    )
    environment = {**os.environ, "PYTHONPATH": python_path()}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120, env=environment
    )
    assert done.stdout.splitlines()[-1] == "[]"


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
