"""What Airflow's structured task logs say about a failure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def failure_message(entries: Iterable[Mapping[str, Any]]) -> str:
    """The sentence with which a try failed.

    Args:
        entries: lines of the log, in order: ``event``, ``level`` and, with an exception, ``error_detail``.

    Returns:
        The last exception as ``Class: message``; else the first error that was logged; empty when there is neither.
    """
    sentence = ""
    for entry in entries:
        details = entry.get("error_detail") or []
        if details:
            # The first is the exception that was raised, then come its causes.
            sentence = f"{details[0].get('exc_type', 'Error')}: {details[0].get('exc_value', '')}"
        elif entry.get("level") in ("error", "critical") and not sentence:
            sentence = str(entry.get("event", ""))
    return sentence
