"""The id of a batch: made from the DAG run, and sorted in time order."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime


def make_batch_id(run_time: datetime, run_id: str) -> str:
    """The batch of a DAG run: sorts in time order, is the same on every try, differs for two runs of one second.

    Args:
        run_time: logical date of the run, or the time when it was requested if it has none; any time zone.
        run_id: Airflow's id of the run.

    Raises:
        ValueError: ``run_time`` has no time zone.
    """
    if run_time.tzinfo is None:
        raise ValueError(f"run_time {run_time!r} has no time zone")
    digest = hashlib.sha256(run_id.encode()).hexdigest()[:8]
    return f"{run_time.astimezone(UTC):%Y%m%dT%H%M%S}{run_time.microsecond // 1000:03d}Z-{digest}"


def batch_time(batch_id: str) -> datetime:
    """The run time that a batch id was made from, in UTC, in milliseconds.

    Raises:
        ValueError: the id was not made by ``make_batch_id``.
    """
    return datetime.strptime(batch_id.partition("-")[0], "%Y%m%dT%H%M%S%fZ").replace(tzinfo=UTC)
