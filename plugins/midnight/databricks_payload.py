"""The Databricks job that runs both Spark steps, as the Jobs API 2.2 wants it.

A saved job, not ``runs/submit``: in a submitted run each task gets a cluster of its own (``SubmitTask`` has no
``job_cluster_key``; databricks-sdk-py issue 745), while the two steps shall share one. A saved job can be seen in
the workspace, has a history, and can be given to Airflow with the permission CAN_MANAGE_RUN alone.

One job, not one more for gold alone: only runs of the same job wait for each other, and two runs must never write at
the same time. A run that shall make gold alone says so in its parameter ``steps``, and the silver task ends at once.
(``only`` of ``run-now`` would not do: a task that depends on one that is left out is left out, too.)
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any, Literal

from midnight.databricks_cluster import new_cluster
from midnight.pipeline_config import load_pipeline
from midnight.settings import Settings, load_settings

Step = Literal["bronze_to_silver", "silver_to_gold"]
BOTH_STEPS: tuple[Step, ...] = ("bronze_to_silver", "silver_to_gold")
GOLD_ALONE: tuple[Step, ...] = ("silver_to_gold",)

# Names in pyproject.toml
PACKAGE = "midnight-lakehouse"
ENTRY_POINTS: dict[Step, str] = {
    "bronze_to_silver": "midnight-bronze-to-silver",
    "silver_to_gold": "midnight-silver-to-gold",
}
DEFINITION_TAG = "midnight_definition"
RUN_DOCUMENT = "run_document"
_GRACE_SECONDS = 300
_CLUSTER = "midnight"
_ENVIRONMENT = "midnight"


def job_settings(settings: Settings, timeout_seconds: int) -> dict[str, Any]:
    """``JobSettings`` of the job: both steps, one after the other on the same compute.

    Args:
        settings: compute and wheel.
        timeout_seconds: of Airflow's task; 0 for none. Databricks' own limit of a step is a little longer: it matters
            only when Airflow is not there to cancel the run.

    Returns:
        The body of ``jobs/create``; its tag ``midnight_definition`` changes with its content.
    """
    job: dict[str, Any] = {
        "name": settings.databricks_job,
        "description": "Midnight: bronze_to_silver, then silver_to_gold. Airflow keeps it; edit nothing here.",
        # One writer at a time: a second run (nightly beside rebuild) waits in the queue.
        "max_concurrent_runs": 1,
        "queue": {"enabled": True},
        "parameters": [
            {"name": RUN_DOCUMENT, "default": ""},
            {"name": "steps", "default": ",".join(BOTH_STEPS)},
        ],
        "tasks": [
            _task(settings, step, BOTH_STEPS[position - 1] if position else None, timeout_seconds)
            for position, step in enumerate(BOTH_STEPS)
        ],
    }
    if settings.databricks_compute == "job_cluster":
        job["job_clusters"] = [{"job_cluster_key": _CLUSTER, "new_cluster": new_cluster(settings)}]
    if settings.databricks_compute == "serverless":
        job["performance_target"] = settings.databricks_performance
        job["environments"] = [
            {
                "environment_key": _ENVIRONMENT,
                "spec": {
                    "environment_version": settings.databricks_environment_version,
                    "dependencies": [settings.databricks_wheel],
                },
            }
        ]
    content = json.dumps(job, sort_keys=True).encode()
    return {**job, "tags": {DEFINITION_TAG: hashlib.sha256(content).hexdigest()[:16]}}


def run_request(job_id: int, run_document: str, steps: Sequence[Step], idempotency_token: str) -> dict[str, Any]:
    """The body of ``jobs/run-now``.

    Args:
        job_id: of the saved job.
        run_document: URL of the run document in the lake.
        steps: those that shall do something.
        idempotency_token: at most 64 characters; the same token gives the same run.
    """
    return {
        "job_id": job_id,
        "idempotency_token": idempotency_token,
        "job_parameters": {RUN_DOCUMENT: run_document, "steps": ",".join(steps)},
        "queue": {"enabled": True},
    }


def _task(settings: Settings, step: Step, after: Step | None, timeout_seconds: int) -> dict[str, Any]:
    # The jobs take one JSON document; Databricks puts the run's parameters into it.
    arguments = json.dumps(
        {
            "run_document": "{{job.parameters.run_document}}",
            "steps": "{{job.parameters.steps}}",
            "engine": "databricks",
            **_masking_key(settings, step),
        }
    )
    task: dict[str, Any] = {
        "task_key": step,
        "python_wheel_task": {
            "package_name": PACKAGE,
            "entry_point": ENTRY_POINTS[step],
            "parameters": [arguments],
        },
        "max_retries": 0,  # Airflow retries
        "timeout_seconds": timeout_seconds + _GRACE_SECONDS if timeout_seconds else 0,
    }
    if after is not None:
        task["depends_on"] = [{"task_key": after}]
    if settings.databricks_compute == "serverless":
        # Without the option serverless repeats a failed step up to three times by itself.
        return {**task, "environment_key": _ENVIRONMENT, "disable_auto_optimization": True}
    task["libraries"] = [{"whl": settings.databricks_wheel}]
    if settings.databricks_compute == "existing_cluster":
        return {**task, "existing_cluster_id": settings.databricks_cluster_id}
    return {**task, "job_cluster_key": _CLUSTER}


def _masking_key(settings: Settings, step: Step) -> dict[str, str]:
    """Where the step finds the key of masked columns: the name of a secret scope, never the key."""
    scope = settings.databricks_secret_scope
    return {"masking_key": f"scope:{scope}"} if scope and step == "bronze_to_silver" else {}


def main() -> None:
    """Print the job as JSON, for an administrator who saves it with ``databricks jobs create --json``."""
    settings = load_settings()
    seconds = load_pipeline(settings.config).timeout_minutes * 60
    print(json.dumps(job_settings(settings, seconds), indent=2))


if __name__ == "__main__":
    main()
