"""The reason of a failure, from Airflow's structured task logs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def failure_message(entries: Iterable[Mapping[str, Any]]) -> str:
    """Return the message with which a try failed.

    Args:
        entries: lines of the log, in order, with ``event``, ``level`` and, for an exception, ``error_detail``.

    Returns:
        The last exception as ``Class: message``, otherwise the first logged error; empty when there is neither.
    """
    message = ""
    for entry in entries:
        details = entry.get("error_detail") or []
        if details:
            # The first entry is the exception that was raised; its causes follow.
            message = f"{details[0].get('exc_type', 'Error')}: {details[0].get('exc_value', '')}"
        elif entry.get("level") in ("error", "critical") and not message:
            message = str(entry.get("event", ""))
    return message
