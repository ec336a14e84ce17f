"""Responses of the Jobs API 2.2: runs (object Run, validated with the SDK's model) and pages."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from databricks.sdk.service.jobs import Run
from starlette.exceptions import HTTPException

from tests.fakes.databricks_runs import JobRun, TaskRun


@dataclass(frozen=True)
class Pause:
    """Blocks one request.

    Args:
        reached: set when the request has arrived; later requests are not blocked.
        goes_on: set by the test.
    """

    reached: threading.Event = field(default_factory=threading.Event)
    goes_on: threading.Event = field(default_factory=threading.Event)


def page_of(name: str, found: list[dict[str, Any]], query: Mapping[str, Any], most: int) -> dict[str, Any]:
    """One page of a list; an empty one has no list at all.

    Args:
        name: name of the list.
        found: all entries.
        query: may contain ``limit`` and ``page_token``.
        most: largest allowed limit.
    """
    limit, start = int(query.get("limit", 20)), int(query.get("page_token") or 0)
    if not 1 <= limit <= most:
        raise HTTPException(400, f"limit must be between 1 and {most}")
    page = found[start : start + limit]
    more = {"next_page_token": str(start + limit)} if start + limit < len(found) else {}
    return ({name: page} if page else {}) | more


def show_run(run: JobRun, host: str, *, with_tasks: bool = False) -> dict[str, Any]:
    """The response of ``jobs/runs/get``, or an element of ``jobs/runs/list``."""
    defaults = {item["name"]: item["default"] for item in run.settings.get("parameters", [])}
    answer = {
        "job_id": run.job_id,
        "run_id": run.run_id,
        "run_name": run.settings["name"],
        "run_type": "JOB_RUN",
        "start_time": int(run.started * 1000),
        "job_parameters": [
            {"name": name, "default": defaults[name], "value": value} for name, value in run.parameters.items()
        ],
        "run_page_url": f"https://{host}/?o=1234567890123456#job/{run.job_id}/run/{run.run_id}",
        "state": _state(run),
        **({"job_clusters": run.settings["job_clusters"]} if with_tasks and "job_clusters" in run.settings else {}),
        **({"tasks": [_show_task(task) for task in run.tasks]} if with_tasks else {}),
    }
    assert Run.from_dict(answer).as_dict() == answer
    return answer


def _state(run: JobRun | TaskRun) -> dict[str, str]:
    # The result is known when the run has ended.
    result = {"result_state": run.result} if run.result else {}
    return {"life_cycle_state": run.life_cycle, "state_message": run.message, **result}


def _show_task(task: TaskRun) -> dict[str, Any]:
    return {
        "run_id": task.run_id,
        "task_key": task.task["task_key"],
        "attempt_number": 0,
        "state": _state(task),
        "setup_duration": task.setup_ms,
        "execution_duration": task.execution_ms,
        "cleanup_duration": task.cleanup_ms,
        **({"job_cluster_key": task.task["job_cluster_key"]} if "job_cluster_key" in task.task else {}),
        **({"depends_on": task.task["depends_on"]} if "depends_on" in task.task else {}),
    }
