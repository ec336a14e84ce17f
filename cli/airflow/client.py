"""A client of Airflow's REST API, with the requests that the commands need."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any
from urllib.parse import quote

import httpx

from midnight.errors import MidnightError
from midnight.retry import RetryPolicy

DAG_ID = "midnight_pipeline"
FINISHED_STATES = ("success", "failed")
_POLL_TIMEOUT_SECONDS = 60


class AirflowClientError(MidnightError):
    """Airflow refuses a request or does not answer."""


@dataclass(frozen=True)
class TaskState:
    """One task of a run.

    Args:
        state: Airflow's; ``none`` before the task is scheduled.
        seconds: how long it has run, or ran.
        attempt: number of the try, from 1.
    """

    task_id: str
    state: str
    seconds: float | None
    attempt: int


class AirflowClient:
    """A session with the REST API.

    Args:
        url: of the API server.
        user: login; its ``password`` is exchanged for a token.
    """

    def __init__(self, url: str, user: str, password: str) -> None:
        self._http = httpx.Client(base_url=url, trust_env=False, timeout=30)
        answer = self._http.post("/auth/token", json={"username": user, "password": password})
        if answer.status_code not in (200, 201):
            raise AirflowClientError(
                f"Airflow refuses the login of {user!r} ({answer.status_code})", "`make down`, then `make up`"
            )
        self._http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    def dag(self) -> dict[str, Any] | None:
        """The pipeline's DAG; None until the DAG processor has parsed it."""
        answer = self._get(f"/api/v2/dags/{DAG_ID}")
        return None if answer.status_code == 404 else self._json(answer)

    def import_errors(self) -> list[tuple[str, str]]:
        """DAG files that do not import: name and the last line of the traceback."""
        errors = self._json(self._get("/api/v2/importErrors"))["import_errors"]
        return [(error["filename"], error["stack_trace"].strip()) for error in errors]

    def unpause(self) -> None:
        self._json(self._http.patch(f"/api/v2/dags/{DAG_ID}", json={"is_paused": False}))

    def trigger(self, run_id: str, conf: Mapping[str, Any] | None = None) -> None:
        """Trigger a run without a logical date, as `airflow dags trigger` does in several seconds.

        Args:
            run_id: of the new run.
            conf: its parameters; the others have their defaults.

        Raises:
            AirflowClientError: Airflow refuses it, or does not answer.
        """
        document = {"dag_run_id": run_id, "logical_date": None, "conf": dict(conf or {})}
        try:
            self._json(self._http.post(f"/api/v2/dags/{DAG_ID}/dagRuns", json=document))
        except httpx.TransportError as error:  # not repeated: the run may exist
            raise self._no_answer(error) from error

    def task_order(self) -> list[str]:
        """Task ids in topological order; otherwise in the order of the DAG file."""
        tasks = self._json(self._get(f"/api/v2/dags/{DAG_ID}/tasks"))["tasks"]
        waiting: dict[str, set[str]] = {task["task_id"]: set() for task in tasks}
        for task in tasks:
            for later in task["downstream_task_ids"]:
                waiting[later].add(task["task_id"])
        ordered: list[str] = []
        while waiting:
            ready = [task_id for task_id, needs in waiting.items() if needs <= set(ordered)]
            if not ready:
                return [*ordered, *waiting]
            ordered += ready
            for task_id in ready:
                del waiting[task_id]
        return ordered

    def runs(self, *, limit: int = 5, state: str | None = None) -> list[dict[str, Any]]:
        """The newest runs first."""
        parameters: dict[str, str | int] = {"limit": limit, "order_by": "-run_after"}
        if state:
            parameters["state"] = state
        return list(self._json(self._get(f"/api/v2/dags/{DAG_ID}/dagRuns", params=parameters))["dag_runs"])

    def run_state(self, run_id: str) -> str:
        return str(self._json(self._get(self._run_path(run_id)))["state"])

    def tasks(self, run_id: str) -> dict[str, TaskState]:
        """The tasks of a run by id."""
        return {
            task["task_id"]: TaskState(
                task_id=task["task_id"],
                state=task["state"] or "none",
                seconds=task["duration"] if task["end_date"] else _seconds_since(task["start_date"]),
                attempt=task["try_number"],
            )
            for task in self.task_instances(run_id)
        }

    def task_instances(self, run_id: str) -> list[dict[str, Any]]:
        """The tasks of a run as Airflow's API returns them."""
        path = f"{self._run_path(run_id)}/taskInstances"
        return list(self._json(self._get(path, params={"limit": 200}))["task_instances"])

    def _get(self, path: str, **options: Any) -> httpx.Response:
        """The answer to a GET; transport errors are retried for a minute."""
        policy = RetryPolicy(timeout=_POLL_TIMEOUT_SECONDS, initial_backoff=1.0, max_backoff=1.0)
        try:
            return policy.call(partial(self._http.get, path, **options), _retry_transport_errors, sleep=time.sleep)
        except httpx.TransportError as error:
            raise self._no_answer(error) from error

    def _no_answer(self, error: httpx.TransportError) -> AirflowClientError:
        return AirflowClientError(
            f"Airflow at {self._http.base_url} does not answer ({str(error) or type(error).__name__})",
            "`make status` shows what is running, `make up` starts the missing processes",
        )

    def _run_path(self, run_id: str) -> str:
        return f"/api/v2/dags/{DAG_ID}/dagRuns/{quote(run_id, safe='')}"

    @staticmethod
    def _json(answer: httpx.Response) -> Any:
        if answer.is_error:
            raise AirflowClientError(
                f"Airflow answers {answer.status_code} to {answer.request.method} {answer.request.url.path}: "
                f"{answer.text[:300]}"
            )
        return answer.json()


def _retry_transport_errors(error: Exception) -> float | None:
    return 0.0 if isinstance(error, httpx.TransportError) else None


def _seconds_since(moment: str | None) -> float | None:
    if moment is None:
        return None
    started = datetime.fromisoformat(moment)
    return (datetime.now(started.tzinfo) - started).total_seconds()
