"""A running demo whose alerts go to a sink, and what a person does who gets one."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from midnight.settings import REPOSITORY, load_settings
from tests.support.alert_sinks import WebSink
from tests.support.demo_instance import DemoInstance
from tests.support.html_page import Page
from tests.support.incidents import wait_for_alert
from tests.support.waiting import wait_for

RETRY_DELAY = 20


class IncidentDemo(DemoInstance):
    """A demo with a channel for its alerts, and retries that wait, in a lake that can be full."""

    def __init__(self, folder: Path, sink: WebSink) -> None:
        super().__init__(folder)
        self.sink = sink
        self.lake = folder / "mount"
        self.lake.mkdir(mode=0o700)
        self.variables["MIDNIGHT_LAKE"] = str(self.lake)
        self.settings = load_settings(self.variables)
        self.pipeline = self.settings.config / "pipeline.yml"
        text = self.pipeline.read_text().replace("retry_delay_seconds: 0", f"retry_delay_seconds: {RETRY_DELAY}")
        self.pipeline.write_text(f"{text}\nalerts:\n  channels: [{{kind: webhook, connection: sink}}]\n")

    def begin(self, run_id: str, *, scheduled: bool = False) -> tuple[int, float]:
        """Start a run; how many alerts there were before, and the time."""
        before, now = len(self.sink.posts), datetime.now(UTC)
        date = now.isoformat() if scheduled else None
        body: dict[str, Any] = {"dag_run_id": run_id, "logical_date": date, "conf": {}}
        self.call("POST", "dags/midnight_pipeline/dagRuns", body)
        return before, time.monotonic()

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Airflow's REST API, as a person's browser calls it."""
        url = f"{self.services.url}/api/v2/{path}"
        headers = {"Authorization": f"Bearer {self.token()}"}
        answer = httpx.request(method, url, json=body, headers=headers, trust_env=False, timeout=60)
        assert answer.status_code < 300, answer.text
        return answer.json()

    def token(self) -> str:
        login = {"username": "admin", "password": self.instance.secrets["airflow_admin_password"]}
        return httpx.post(f"{self.services.url}/auth/token", json=login, trust_env=False).json()["access_token"]

    def page(self) -> str:
        headers = {"Authorization": f"Bearer {self.token()}"}
        answer = httpx.get(f"{self.services.url}/midnight/", headers=headers, trust_env=False, timeout=60)
        return " ".join(Page(answer.text).words.split())

    def follow(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run the command of an alert as it stands there."""
        program, *arguments = shlex.split(command)
        assert program == "midnight"
        environment = {**os.environ, **self.variables, "PYTHONUTF8": "1"}
        return subprocess.run(
            [sys.executable, "-m", "cli", *arguments],
            cwd=REPOSITORY,
            env=environment,
            capture_output=True,
            text=True,
            timeout=200,
            check=True,
        )

    def recover(self, alert: dict[str, Any], before: int) -> str:
        """Run the alert's command, wait for the end of the run that it begins, and for the alert of the recovery."""
        known = {run["dag_run_id"] for run in self.client.runs(limit=100) if run["state"] in ("success", "failed")}
        self.follow(alert["command"])
        newest = self.client.runs(limit=1)[0]["dag_run_id"]
        if "tasks clear" in alert["command"]:
            wait_for(lambda: self.client.run_state(newest) != "failed")
        else:
            assert newest not in known
        assert self.wait_for_run(newest) == "success"
        wait_for_alert(self.sink, "recovered", before, seconds=60)
        return newest
