"""``release`` in ``pipeline.yml``: whether a person may publish although checks failed."""

from __future__ import annotations

from pydantic import Field

from midnight.configuration.base import ConfigurationModel


class ReleasePolicy(ConfigurationModel):
    """What happens when a check with ``on_failure: fail``, or a reconciliation rule of gold, stops a run.

    A release is never possible when a row is not accounted for, or when a table does not have what was computed.

    Args:
        ask: the task waits for a person, who approves or rejects in Airflow (*Required actions*) and gives a reason;
            off by default: the task fails at once.
        users: ids of the users in Airflow who may decide; empty: everyone who may edit runs.
        wait_hours: without an answer the task fails after this time.
    """

    ask: bool = False
    users: tuple[str, ...] = ()
    wait_hours: int = Field(default=4, ge=1, le=168)
