"""The next command after a failure, as the alert and the page name it."""

from __future__ import annotations

from datetime import datetime

from midnight.errors import MidnightError, ReleasableError, StoppedTablesError

# Their tasks read the run document: tables, checks and models as they were when plan_batch wrote it.
_PLANNED_STAGES = ("bronze", "silver", "gold")


def needs_new_run(task_id: str, kind: type[BaseException] | None) -> bool:
    """Whether only another run sees what a person corrects after this failure.

    A failed task that is cleared does the same work again: with the rows that were read, and after ``plan_batch`` with
    the tables and models of that time.

    Args:
        task_id: of the failed task; empty if the run failed as a whole.
        kind: of its error; None if it is not known.
    """
    if kind is None or not issubclass(kind, MidnightError) or kind.retryable:
        return False
    return task_id.partition(".")[0] in _PLANNED_STAGES or issubclass(kind, (ReleasableError, StoppedTablesError))


def again_command(
    airflow: str, logical_date: datetime | None, task_id: str = "", kind: type[BaseException] | None = None
) -> str:
    """The command that recovers from a failure when its cause is corrected: another run, or the failed tasks again.

    Args:
        airflow: the command line of Airflow: ``airflow``, or ``midnight airflow`` on a laptop.
        logical_date: of the run; None for one that was triggered without it, which Airflow's command cannot select.
        task_id: see ``needs_new_run``.
        kind: see ``needs_new_run``.
    """
    if logical_date is None or needs_new_run(task_id, kind):
        return trigger_command(airflow)
    day = logical_date.isoformat()
    return f"{airflow} tasks clear midnight_pipeline -s '{day}' -e '{day}' --only-failed --yes"


def trigger_command(airflow: str) -> str:
    return f"{airflow} dags trigger midnight_pipeline"


def unpause_command(airflow: str) -> str:
    return f"{airflow} dags unpause midnight_pipeline"
