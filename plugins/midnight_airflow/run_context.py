"""What operators read from Airflow's context: the batch, the tables, the attempt."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from midnight.bronze.batch_id import make_batch_id
from midnight.errors import ConfigurationError, ConfigurationProblem

if TYPE_CHECKING:
    from airflow.sdk import Context


def run_time(context: Context) -> datetime:
    """Logical date of the run. A run from ``airflow dags trigger`` has none: then the time of the request."""
    dag_run: Any = context["dag_run"]
    return dag_run.logical_date or dag_run.run_after


def batch_id(context: Context) -> str:
    """Batch id of this DAG run; the same on every try and after every clear."""
    dag_run: Any = context["dag_run"]
    return make_batch_id(run_time(context), dag_run.run_id)


def selected_tables(value: Any) -> list[str]:
    """The parameter ``tables`` as a list; an empty list means all.

    Args:
        value: the rendered parameter: a list, a comma-separated string, or None.
    """
    if value is None:
        return []
    parts = value.split(",") if isinstance(value, str) else value
    return [str(part).strip() for part in parts if str(part).strip()]


def check_parameters(context: Context) -> None:
    """Check the keys of the run's configuration; Airflow itself ignores unknown ones.

    Raises:
        ConfigurationError: lists every unknown key.
    """
    dag_run: Any = context["dag_run"]
    given: Mapping[str, Any] = dag_run.conf or {}
    dag: Any = context["dag"]
    known = sorted(dag.params)  # context["params"] contains the unknown keys as well
    problems = [
        ConfigurationProblem(
            "run",
            None,
            name,
            f"is not a parameter of this DAG; hint: trigger it again with parameters of {known!r} only",
        )
        for name in sorted(set(given) - set(known))
        # set by Airflow: the trace level of UI and CLI, the marker of a backfill
        if not name.startswith("airflow/")
    ]
    if problems:
        raise ConfigurationError(problems)


def first_try_number(context: Context) -> int:
    """Number of the first try since the task was last cleared by hand, from 1.

    Clearing sets ``max_tries = try_number + retries`` (``airflow.models.taskinstance.clear_task_instances``) and a
    retry does not change it; the task runner computes the same for rescheduled sensors.
    """
    instance: Any = context["ti"]
    return max(1, instance.max_tries - (instance.task.retries or 0) + 1)


def attempt_token(context: Context, attempt: int) -> str:
    """Token of one attempt at work in a service: a retry after a crash finds the same run, a cleared task does not.

    Args:
        context: Airflow's.
        attempt: number from 0; the retry after a failure of attempt 0 is attempt 1.

    Returns:
        40 hexadecimal digits (Databricks allows 64 characters).
    """
    return _token(context, first_try_number(context), attempt)


def attempt_tokens(context: Context, attempt: int) -> frozenset[str]:
    """``attempt_token`` of this attempt: the current one, and those from before each time the task was cleared."""
    return frozenset(_token(context, first, attempt) for first in range(1, first_try_number(context) + 1))


def _token(context: Context, first: int, attempt: int) -> str:
    instance: Any = context["ti"]
    parts = (instance.dag_id, instance.run_id, instance.task_id, str(first), str(attempt))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:40]


def previous_attempts(context: Context) -> int:
    """Number of tries between the last clear and this one."""
    return max(0, int(context["ti"].try_number) - first_try_number(context))


def run_links(context: Context) -> dict[str, str]:
    """Addresses of the run and of the task's log in Airflow, under ``[api] base_url``."""
    instance: Any = context.get("ti")
    log_url = str(getattr(instance, "log_url", "") or "")
    if not log_url:
        return {}
    base, _, rest = log_url.partition("/dags/")
    run = log_url.partition("/tasks/")[0]
    return {"Task log": log_url, "Run": run, "Midnight page": f"{base}/plugin/midnight_report"} if rest else {}
