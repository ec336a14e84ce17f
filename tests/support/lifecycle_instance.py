"""An Airflow of the azure profile with the fakes, and Databricks jobs whose end the test controls."""

from __future__ import annotations

import io
import os
import re
import sqlite3
import zipfile
from pathlib import Path
from typing import Any

import httpx
import psutil

from cli.airflow.services import AirflowServices
from cli.airflow.settings import ADMIN
from midnight.databricks.job_payload import BOTH_STEPS
from midnight.databricks.wheel_name import wheel_name
from tests.fakes.databricks import Databricks
from tests.fakes.databricks_runs import JobRun
from tests.support.deployed import deployed_job
from tests.support.waiting import LIMIT_SECONDS, wait_for

# The name that Airflow expects for these sources
WHEEL = f"/Volumes/main/midnight/wheels/{wheel_name()}"

# The product's distribution name and entry points. A step waits for a file with its name next to the run's wheel.
_JOBS = """
import json, sys, time
from pathlib import Path
def step(name):
    if name not in json.loads(sys.argv[1])["steps"].split(","):
        return
    while not Path(name).exists():
        time.sleep(0.02)
    error = Path(name).read_text()
    if error:
        print(error, file=sys.stderr)
        sys.exit(1)
silver = lambda: step("bronze_to_silver")
gold = lambda: step("silver_to_gold")
"""


def scripted_wheel() -> bytes:
    """A wheel with the jobs above."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("scripted_jobs.py", _JOBS)
        information = "midnight_lakehouse-0.1.0.dist-info"
        archive.writestr(f"{information}/METADATA", "Metadata-Version: 2.1\nName: midnight-lakehouse\nVersion: 0.1.0\n")
        archive.writestr(
            f"{information}/entry_points.txt",
            "[console_scripts]\n"
            "midnight-bronze-to-silver = scripted_jobs:silver\n"
            "midnight-silver-to-gold = scripted_jobs:gold\n",
        )
    return file.getvalue()


class Scenario:
    """One DAG run, and what a user does with its tasks.

    Args:
        services: the running Airflow.
        http: a session with its REST API.
        dag: id.
        job: id of the DAG run; its work in Azure has the same name.
        conf: more of the DAG run's conf.
    """

    def __init__(self, services: AirflowServices, http: httpx.Client, *, dag: str, job: str, **conf: Any) -> None:
        self.services, self.http = services, http
        self.dag, self.job = dag, job
        self._path = f"/api/v2/dags/{dag}/dagRuns"
        body = {"dag_run_id": job, "logical_date": None, "conf": {"job": job, **conf}}
        wait_for(lambda: http.get(f"/api/v2/dags/{dag}").status_code == 200)
        self._request("POST", self._path, body)

    def task(self, task: str) -> dict[str, Any]:
        found = self.http.get(f"{self._path}/{self.job}/taskInstances/{task}").raise_for_status().json()
        return dict(found)

    def wait_until(self, task: str, *states: str, attempt: int | None = None) -> dict[str, Any]:
        """Wait until the task has one of these states, in the given try."""

        def there() -> dict[str, Any] | None:
            found = self.task(task)
            return found if found["state"] in states and attempt in (None, found["try_number"]) else None

        found: dict[str, Any] = wait_for(
            there, lambda: (self.job, self.task(task)["state"], self.task(task)["try_number"], self.results)
        )
        return found

    @property
    def results(self) -> list[str]:
        """Results of all runs in Azure."""
        return []

    def wait_until_deferred(self, task: str, attempt: int) -> None:
        """Wait until the triggerer has the task's trigger, and the scheduler has noticed the end of its process.

        Airflow notifies nobody when a task is ended between its deferral and the start of its trigger, a second or two
        later (``cancel_orphaned_runs`` handles that). Airflow 3.3.2 treats a task as killed when it resumes before the
        scheduler has noticed the end of the process that deferred it. In a real run, minutes are between the two.
        """
        self.wait_until(task, "deferred", attempt=attempt)
        log = self.services.instance.logs / "airflow-scheduler.log"
        noticed = re.compile(
            rf"Received executor event .*task_id='{task}', run_id='{self.job}', try_number={attempt},".encode()
        )
        wait_for(lambda: noticed.search(log.read_bytes()), lambda: (task, self.job, attempt))
        wait_for(lambda: list(self._logs(task).glob(f"attempt={attempt}.log.trigger.*")), lambda: (task, self.job))

    def process(self, task: str) -> psutil.Process:
        """The process in which Airflow runs the task."""
        title = f"airflow worker -- {self.task(task)['id']}"

        def find() -> psutil.Process | None:
            found = (p for p in psutil.process_iter(["cmdline"]) if (p.info["cmdline"] or [""])[0] == title)
            return next(found, None)

        process: psutil.Process = wait_for(find, lambda: title)
        return process

    def mark(self, task: str, state: str) -> None:
        self._request("PATCH", f"{self._path}/{self.job}/taskInstances/{task}", {"new_state": state})

    def clear(self, *tasks: str) -> None:
        """Clear tasks, after the DAG run has ended: the scheduler ends it shortly after its last task."""
        if all(self.task(task)["state"] in ("success", "failed") for task in tasks):
            path = f"{self._path}/{self.job}"
            wait_for(lambda: self.http.get(path).json()["state"] in ("success", "failed"))
        body = {"dry_run": False, "only_failed": False, "dag_run_id": self.job, "task_ids": tasks}
        self._request("POST", f"/api/v2/dags/{self.dag}/clearTaskInstances", body)

    def _request(self, method: str, path: str, body: dict[str, Any]) -> None:
        """Send a request; repeat it while SQLite is locked, for which Airflow returns 500."""

        def succeeds() -> bool:
            answer = self.http.request(method, path, json=body)
            return answer.status_code != 500 and answer.raise_for_status().is_success

        wait_for(succeeds)

    def expire_deferral(self) -> None:
        """Let Airflow's own timeout of the deferral expire, as after a day without a triggerer."""
        with sqlite3.connect(self.services.instance.airflow_home / "airflow.db", timeout=LIMIT_SECONDS) as database:
            database.execute(
                "UPDATE task_instance SET trigger_timeout = '2020-01-01 00:00:00'"
                " WHERE run_id = ? AND state = 'deferred'",
                [self.job],
            )

    def log(self, task: str) -> str:
        """Everything that the tries of a task logged."""
        return "\n".join(path.read_text() for path in sorted(self._logs(task).glob("*.log*")))

    def _logs(self, task: str) -> Path:
        folder = self.services.instance.logs / "tasks" / f"dag_id={self.dag}" / f"run_id={self.job}"
        return folder / f"task_id={task}"


class JobScenario(Scenario):
    """One DAG run with Databricks tasks and its own job, so that runs do not queue.

    Args:
        databricks: the workspace.
        others: see ``Scenario``.
    """

    def __init__(self, *others: Any, databricks: Databricks, job: str, **named: Any) -> None:
        self.databricks, self.folder = databricks, databricks.runner.folder
        job_id = databricks.deploy(deployed_job(WHEEL, name=job))
        super().__init__(*others, job=job, job_id=job_id, **named)

    @property
    def runs(self) -> list[JobRun]:
        return self.databricks.runs_of(self.job)

    @property
    def results(self) -> list[str]:
        """Results of all runs; the life cycle state of runs that have not ended."""
        return [run.result or run.life_cycle for run in self.runs]

    def wait_until_waiting(self, task: str, attempt: int) -> JobRun:
        """Wait until the task waits for the newest run, in this try or one that Airflow makes of it.

        SQLite gives the trigger of a cleared task the id that the one before it had. The triggerer may still run that
        one, and its end resumes the new try at once, which Airflow then takes for a killed one: the next try waits.
        """

        def with_trigger() -> int:
            found = self.task(task)
            number = int(found["try_number"])
            has_trigger = any(self._logs(task).glob(f"attempt={number}.log.trigger.*"))
            return number if found["state"] == "deferred" and number >= attempt and has_trigger else 0

        self.wait_until_deferred(task, wait_for(with_trigger, lambda: (self.job, self.task(task), self.results)))
        run = self.runs[-1]
        wait_for(lambda: run.life_cycle == "RUNNING", lambda: self.results)
        return run

    def let_finish(self, run: JobRun, step: str, error: str = "") -> None:
        """Let a step end: successfully, or with this error output."""
        where = self.folder / str(run.run_id) / step
        where.with_suffix(".new").write_text(error)
        where.with_suffix(".new").rename(where)

    def let_all_finish(self, run: JobRun) -> None:
        """Let both steps succeed."""
        for step in BOTH_STEPS:
            self.let_finish(run, step)

    def wait_for_results(self, number: int) -> list[str]:
        """The results of all runs, once this many have ended."""
        wait_for(lambda: sum(run.ended for run in self.runs) == number, lambda: self.results)
        return self.results


def sign_in(services: AirflowServices) -> httpx.Client:
    """A session with Airflow's REST API."""
    http = httpx.Client(base_url=services.url, trust_env=False, timeout=120)
    password = services.instance.secrets["airflow_admin_password"]
    token = http.post("/auth/token", json={"username": ADMIN, "password": password}).json()["access_token"]
    http.headers["Authorization"] = f"Bearer {token}"
    return http


def kill(process_id: int) -> None:
    """Send SIGKILL to one process."""
    os.kill(process_id, 9)
