"""The next command after a failure, as the alert and the page name it."""

from __future__ import annotations

from datetime import datetime


def again_command(airflow: str, logical_date: datetime | None) -> str:
    """The command that runs the failed tasks of a run again, or another run.

    Args:
        airflow: the command line of Airflow: ``airflow``, or ``midnight airflow`` on a laptop.
        logical_date: of the run; None for one that was triggered without it, which Airflow's command cannot select.
    """
    if logical_date is None:
        return trigger_command(airflow)
    day = logical_date.isoformat()
    return f"{airflow} tasks clear midnight_pipeline -s '{day}' -e '{day}' --only-failed --yes"


def trigger_command(airflow: str) -> str:
    return f"{airflow} dags trigger midnight_pipeline"


def unpause_command(airflow: str) -> str:
    return f"{airflow} dags unpause midnight_pipeline"
