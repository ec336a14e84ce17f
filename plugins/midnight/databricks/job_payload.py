"""The Databricks job that runs both Spark steps, and the request that starts a run of it (Jobs API 2.2).

Terraform deploys the job (infra/databricks_job.tf) from ``include/databricks/job.json``, which is generated from
``job_document``. Airflow starts runs and compares the deployed job with the same document; it never changes the job.

Why not ``runs/submit``: there each task gets its own cluster (``SubmitTask`` has no ``job_cluster_key``;
databricks-sdk-py issue 745), but the two steps must share one. A job is visible in the workspace, has a history, and
Airflow needs only the permission CAN_MANAGE_RUN on it.

Why one job for both steps: only runs of the same job are queued, and two runs must never write at the same time. In a
run of gold alone the parameter ``steps`` lacks silver, and the silver task ends at once. (``only`` of ``run-now`` does
not work: it also skips the tasks that depend on a skipped one.)
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from midnight.configuration.pipeline import Pipeline, load_pipeline

Step = Literal["bronze_to_silver", "silver_to_gold"]
BOTH_STEPS: tuple[Step, ...] = ("bronze_to_silver", "silver_to_gold")
GOLD_ONLY: tuple[Step, ...] = ("silver_to_gold",)

# As in pyproject.toml.
PACKAGE = "midnight-lakehouse"
ENTRY_POINTS: dict[Step, str] = {
    "bronze_to_silver": "midnight-bronze-to-silver",
    "silver_to_gold": "midnight-silver-to-gold",
}
FILE = "databricks/job.json"
RUN_DOCUMENT = "run_document"
STEPS = "steps"
# Parameters that Terraform sets per environment; no run overrides them.
ENGINE, MASKING_KEY = "engine", "masking_key"
_GRACE_SECONDS = 300


def job_document(pipeline: Pipeline) -> dict[str, Any]:
    """The part of the job's ``JobSettings`` that is the same in every environment: all but compute, wheel and identity.

    Args:
        pipeline: its ``timeout_minutes`` is the timeout of a step. The timeout in Databricks is a little longer: it
            takes effect only when Airflow does not cancel the run.
    """
    return {
        "name": "midnight",
        "description": "Midnight: bronze_to_silver, then silver_to_gold. Deployed by Terraform; do not edit it here.",
        # One writer at a time: a second run, for example a rebuild, waits in the queue.
        "max_concurrent_runs": 1,
        "queue": {"enabled": True},
        "parameters": [
            {"name": RUN_DOCUMENT, "default": ""},
            {"name": STEPS, "default": ",".join(BOTH_STEPS)},
            {"name": ENGINE, "default": "databricks"},
            {"name": MASKING_KEY, "default": ""},
        ],
        "tasks": [
            _task(step, BOTH_STEPS[position - 1] if position else None, pipeline.timeout_minutes * 60)
            for position, step in enumerate(BOTH_STEPS)
        ],
    }


def job_files(folder: Path) -> dict[str, str]:
    """The file that Terraform reads: path below the configuration folder -> text.

    Args:
        folder: configuration folder (``include/``).

    Raises:
        ConfigurationError: ``pipeline.yml`` is wrong.
    """
    return {FILE: json.dumps(job_document(load_pipeline(folder)), indent=2) + "\n"}


def run_request(job_id: int, run_document: str, steps: Sequence[Step], idempotency_token: str) -> dict[str, Any]:
    """The body of ``jobs/run-now``.

    Args:
        job_id: id of the deployed job.
        run_document: URL of the run document in the lake.
        steps: the steps to run; the others end at once.
        idempotency_token: at most 64 characters; the same token returns the same run.
    """
    return {
        "job_id": job_id,
        "idempotency_token": idempotency_token,
        "job_parameters": {RUN_DOCUMENT: run_document, STEPS: ",".join(steps)},
        "queue": {"enabled": True},
    }


def job_differences(settings: Mapping[str, Any], pipeline: Pipeline, wheel: str) -> list[str]:
    """Differences between a deployed job and the expected one; compute is left to Terraform and not compared.

    Args:
        settings: ``settings`` in the response of ``jobs/get``.
        pipeline: the configuration's ``pipeline.yml``.
        wheel: file name of the wheel that is built from these sources.

    Returns:
        One text per difference, for an error message.
    """
    found, expected = _comparable(settings), _comparable(job_document(pipeline))
    result = [
        f"{name} is {found.get(name)!r}, expected {expected.get(name)!r}"
        for name in sorted(found.keys() | expected.keys())
        if found.get(name) != expected.get(name)
    ]
    names = sorted({path.rpartition("/")[2] for path in wheels_of(settings)})
    if names != [wheel]:
        result.append(f"the wheel is {', '.join(names) or 'missing'}, expected {wheel}")
    return result


def wheels_of(settings: Mapping[str, Any]) -> list[str]:
    """Paths of a job's wheels: libraries of its tasks, dependencies of its serverless environments."""
    libraries = [item.get("whl", "") for task in settings.get("tasks", []) for item in task.get("libraries", [])]
    environments = [item.get("spec", {}) for item in settings.get("environments", [])]
    dependencies = [path for spec in environments for path in spec.get("dependencies", [])]
    return [path for path in (*libraries, *dependencies) if path.endswith(".whl")]


def _comparable(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that determine what a run does and how many run concurrently, by name for error messages."""
    result = {
        "max_concurrent_runs": settings.get("max_concurrent_runs", 1),
        "queue.enabled": settings.get("queue", {}).get("enabled", False),
        "parameters": sorted(item["name"] for item in settings.get("parameters", [])),
    }
    for task in settings.get("tasks", []):
        name = f"tasks.{task['task_key']}"
        wheel = task.get("python_wheel_task", {})
        result |= {
            f"{name}.python_wheel_task": {key: wheel.get(key) for key in ("package_name", "entry_point", "parameters")},
            f"{name}.depends_on": [item["task_key"] for item in task.get("depends_on", [])],
            f"{name}.timeout_seconds": task.get("timeout_seconds", 0),
            f"{name}.max_retries": task.get("max_retries", 0),
        }
    return result


def _task(step: Step, after: Step | None, timeout_seconds: int) -> dict[str, Any]:
    # A step has one argument, a JSON document; Databricks replaces the references by the run's parameters.
    names = [RUN_DOCUMENT, STEPS, ENGINE, *([MASKING_KEY] if step == "bronze_to_silver" else [])]
    task: dict[str, Any] = {
        "task_key": step,
        "python_wheel_task": {
            "package_name": PACKAGE,
            "entry_point": ENTRY_POINTS[step],
            "parameters": [json.dumps({name: f"{{{{job.parameters.{name}}}}}" for name in names})],
        },
        "max_retries": 0,  # Airflow retries
        "timeout_seconds": timeout_seconds + _GRACE_SECONDS,
    }
    return task if after is None else {**task, "depends_on": [{"task_key": after}]}
