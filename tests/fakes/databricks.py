"""A Databricks workspace: the Jobs API 2.2 with real runs, workspace files and volumes.

Source: Azure Databricks' REST API reference (Jobs, Workspace, Files), and the requests of Airflow's provider
and ``databricks-sdk``. The provider's asynchronous client sends the parameters of a GET as a JSON body; the service
accepts both.
"""

from __future__ import annotations

import base64
import re
import secrets
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests.fakes.databricks_answers import Pause, page_of, show_run
from tests.fakes.databricks_files import DatabricksFiles
from tests.fakes.databricks_job_rules import Workspace, check_job, check_run_now
from tests.fakes.databricks_runs import JobRun, Runner, TaskRun
from tests.fakes.entra import DATABRICKS, Entra
from tests.fakes.web_service import Answer, WebService, body_of, json_of

HOST = "adb-1234567890123456.7.azuredatabricks.net"
GET_JOB = "GET /api/2.2/jobs/get"
# Changing a job needs CAN_MANAGE or ownership ("Job ACLs" in Azure Databricks' access control lists).
CHANGES = ("create", "reset", "update", "delete")
GET_RUN = "GET /api/2.2/jobs/runs/get"
RUN_NOW = "POST /api/2.2/jobs/run-now"
_CODES = {
    400: "INVALID_PARAMETER_VALUE",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "RESOURCE_DOES_NOT_EXIST",
    409: "ALREADY_EXISTS",
}


class Databricks(WebService):
    """A workspace. ``close`` ends its runs.

    Args:
        entra: the tenant whose tokens are accepted.
        folder: for installed wheels and logs.
        environment: added to the environment of the jobs and of their Spark server.
        engine: which Spark server each run gets; None for jobs that need none.

    Attributes:
        users: client ids of the workspace's users; they have CAN_MANAGE_RUN on every job, and no other right.
        tokens: personal access tokens.
        workspace: what jobs may refer to, and the policies.
        jobs: id -> settings.
        runner: the runs.
        files: path -> content, of volumes and the workspace.
        environment: as given; may be extended before a job starts.
        pauses: (route, name of the job) -> the next such request waits there.
    """

    def __init__(
        self,
        entra: Entra,
        folder: Path,
        environment: Mapping[str, str] | None = None,
        *,
        engine: Literal["sail", "spark"] | None = "sail",
    ) -> None:
        self.entra = entra
        self.users: set[str] = set()
        self.tokens: set[str] = set()
        self.workspace = Workspace()
        self.jobs: dict[int, dict[str, Any]] = {}
        self.files: dict[str, bytes] = {}
        self.pauses: dict[tuple[str, str], Pause] = {}
        self.runner = Runner(folder, environment or {}, self.files.get, engine)
        self.environment = self.runner.environment
        # The credentials that `dbutils` of a job has on a cluster.
        token = secrets.token_hex(16)
        self.tokens.add(token)
        own = {"DATABRICKS_HOST": f"https://{HOST}", "DATABRICKS_TOKEN": token, "DATABRICKS_AUTH_TYPE": "pat"}
        self.environment |= own
        self._named: dict[str, int] = {}
        self._deleted: set[int] = set()
        self._lock = threading.Lock()
        super().__init__(HOST)

    def routes(self) -> Mapping[str, Answer]:
        mine = {
            GET_JOB: self._get_job,
            **dict.fromkeys((f"POST /api/2.2/jobs/{change}" for change in CHANGES), self._change),
            RUN_NOW: self._run_now,
            GET_RUN: self._get_run,
            "GET /api/2.2/jobs/runs/list": self._list_runs,
            "GET /api/2.2/jobs/runs/get-output": self._get_output,
            "POST /api/2.2/jobs/runs/cancel": self._cancel,
            "GET /api/2.1/clusters/spark-versions": self._spark_versions,
            "GET /api/2.0/secrets/get": self._secret,
        }
        files = DatabricksFiles(self.files).routes()
        return {name: self._signed_in(answer) for name, answer in {**mine, **files}.items()}

    def error(self, status: int, message: str) -> Response:
        own = re.match(r"([A-Z_]{5,}): ", message)
        code, text = (own[1], message[own.end() :]) if own else (_CODES.get(status, "INTERNAL_ERROR"), message)
        return JSONResponse({"error_code": code, "message": text}, status)

    def close(self) -> None:
        """End all runs."""
        for pause in self.pauses.values():
            pause.goes_on.set()
        self.runner.close()

    @property
    def writers(self) -> int:
        """Largest number of processes of one job that ran at the same time."""
        return max(self.runner.writers.values(), default=0)

    @property
    def machine_ms(self) -> int:
        """The meter: milliseconds from the allocation of each run's cluster to its end, times its machines."""
        return sum(run.cluster_ms * _machines(run.settings) for run in self.runner.runs)

    def runs_of(self, job: str) -> list[JobRun]:
        """Runs of the job of this name, oldest first."""
        return [run for run in self.runner.runs if run.settings["name"] == job]

    def deploy(self, settings: dict[str, Any]) -> int:
        """Create a job, as Terraform does; the id of the new job.

        Raises:
            HTTPException: the settings are wrong.
        """
        check_job(settings, self.workspace)
        job_id = 1000 + len(self.jobs)
        self.jobs[job_id] = settings
        return job_id

    def delete(self, run: JobRun) -> None:
        """Delete a run, as a user of the workspace."""
        self._deleted.add(run.run_id)

    def _signed_in(self, answer: Answer) -> Answer:
        def checked(request: Request) -> Response:
            token = request.headers.get("Authorization", "").partition(" ")[2]
            if token not in self.tokens:
                claims = self.entra.check(request, DATABRICKS)
                if claims["appid"] not in self.users:
                    raise HTTPException(403, f"User {claims['appid']} is not in the workspace.")
            return answer(request)

        return checked

    def _pause(self, route: str, job: str) -> None:
        pause = self.pauses.get((route, job))
        with self._lock:
            waits = pause is not None and not pause.reached.is_set()
            if pause is not None:
                pause.reached.set()
        if pause is not None and waits:
            pause.goes_on.wait(60)

    def _spark_versions(self, request: Request) -> Response:
        return JSONResponse({"versions": [{"key": "18.x-scala2.13", "name": "18 LTS (Spark 4.1.0, Scala 2.13)"}]})

    def _secret(self, request: Request) -> Response:
        scope, key = request.query_params["scope"], request.query_params["key"]
        if key not in self.workspace.secrets.get(scope, {}):
            raise HTTPException(404, f"Secret does not exist with scope: {scope} and key: {key}")
        value = base64.b64encode(self.workspace.secrets[scope][key].encode()).decode()
        return JSONResponse({"key": key, "value": value})

    def _job(self, job_id: Any) -> dict[str, Any]:
        if int(job_id) not in self.jobs:
            raise HTTPException(400, f"Job {job_id} does not exist.")
        return self.jobs[int(job_id)]

    def _get_job(self, request: Request) -> Response:
        job_id = _parameters(request)["job_id"]
        return JSONResponse({"job_id": int(job_id), "settings": self._job(job_id), "creator_user_name": "deployer"})

    def _change(self, request: Request) -> Response:
        raise HTTPException(403, "User does not have permission to manage jobs.")

    def _run_now(self, request: Request) -> Response:
        body = json_of(request)
        check_run_now(body)
        job = self._job(body["job_id"])
        self._pause(RUN_NOW, job["name"])
        given, token = body.get("job_parameters", {}), body.get("idempotency_token")
        defined = {item["name"]: item["default"] for item in job.get("parameters", [])}
        if set(given) - set(defined):
            raise HTTPException(400, f"Job parameters {sorted(set(given) - set(defined))} are not defined.")
        with self._lock:
            if token in self._named:
                if self._named[token] in self._deleted:
                    raise HTTPException(400, f"The run with idempotency token {token} was deleted.")
                return JSONResponse({"run_id": self._named[token]})
            tasks = [TaskRun(task) for task in job["tasks"]]
            run = JobRun(int(body["job_id"]), {**job, "queue": body.get("queue", job.get("queue", {}))}, {}, tasks)
            run.parameters = defined | given
            if token:
                self._named[token] = run.run_id
            self.runner.start(run)
        return JSONResponse({"run_id": run.run_id, "number_in_job": run.run_id})

    def _run(self, run_id: Any) -> JobRun:
        found = [run for run in self.runner.runs if run.run_id == int(run_id) and run.run_id not in self._deleted]
        if not found:
            raise HTTPException(400, f"Run {run_id} does not exist.")
        return found[0]

    def _get_run(self, request: Request) -> Response:
        self._pause(GET_RUN, self._run(_parameters(request)["run_id"]).settings["name"])
        run = self._run(_parameters(request)["run_id"])
        return JSONResponse(show_run(run, self.host, with_tasks=True))

    def _list_runs(self, request: Request) -> Response:
        query = _parameters(request)
        active = str(query.get("active_only", "false")).lower() == "true"
        found = [
            run
            for run in reversed(self.runner.runs)
            if run.run_id not in self._deleted
            and str(run.job_id) == str(query.get("job_id", run.job_id))
            and not (active and run.ended)
        ]
        return JSONResponse(page_of("runs", [show_run(run, self.host) for run in found], query, most=25))

    def _get_output(self, request: Request) -> Response:
        run_id = int(_parameters(request)["run_id"])
        tasks = {task.run_id: task for run in self.runner.runs for task in run.tasks}
        if run_id not in tasks:
            self._run(run_id)
            raise HTTPException(
                400,
                "Retrieving the output of runs with multiple tasks is not supported. "
                "Please retrieve the output of each individual task run instead.",
            )
        task = tasks[run_id]
        return JSONResponse(
            {"logs": task.logs, "logs_truncated": False} | ({"error": task.error} if task.error else {})
        )

    def _cancel(self, request: Request) -> Response:
        self.runner.cancel(self._run(json_of(request)["run_id"]))
        return JSONResponse({})


def _machines(settings: dict[str, Any]) -> int:
    """The driver and the workers; a cluster that may grow is billed here with all that it may have."""
    (cluster,) = [item["new_cluster"] for item in settings.get("job_clusters", [])] or [{}]
    return 1 + int(cluster.get("autoscale", {}).get("max_workers", cluster.get("num_workers", 0)))


def _parameters(request: Request) -> dict[str, Any]:
    return {**request.query_params, **(json_of(request) if body_of(request) else {})}
