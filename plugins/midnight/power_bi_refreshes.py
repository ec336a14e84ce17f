"""Reads what Power BI says of a refresh (``GET …/datasets/{id}/refreshes`` and ``…/refreshes/{id}``).

Source: "Enhanced refresh with the Power BI REST API", "Datasets - Get Refresh Execution Details In Group".
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

# A refresh of a premium capacity that can be followed and cancelled; a report sees all of the new data or none of it.
REFRESH_REQUEST = {"type": "full", "commitMode": "transactional", "retryCount": 1}
_AT_WORK = ("unknown", "notstarted", "inprogress", "in progress")


@dataclass(frozen=True)
class RefreshState:
    """How a refresh stands.

    Args:
        refresh_id: Power BI's request id.
        status: in Power BI's words, for example ``Completed``; ``Unknown`` means at work.
        reason: what the service says of a failure; may be empty.
    """

    refresh_id: str
    status: str
    reason: str = ""

    @property
    def ended(self) -> bool:
        return self.status.lower() not in _AT_WORK

    @property
    def succeeded(self) -> bool:
        return self.status.lower() == "completed"


def refresh_state(refresh_id: str, answer: Mapping[str, Any]) -> RefreshState:
    """The state in an entry of the history, or in the details of one refresh."""
    status = str(answer.get("extendedStatus") or answer.get("status") or "Unknown")
    return RefreshState(refresh_id, status, "; ".join(_reasons(answer)))


def refresh_at_work(history: Iterable[Mapping[str, Any]]) -> str | None:
    """Id of the refresh that is going on; Power BI allows one at a time. None when there is none."""
    states = (refresh_state(str(entry["requestId"]), entry) for entry in history)
    return next((state.refresh_id for state in states if not state.ended), None)


def started_refresh(headers: Mapping[str, str]) -> str | None:
    """Id of the refresh that a request has started, from the answer's headers (names in small letters)."""
    location = headers.get("location", "").rstrip("/").rpartition("/")[2]
    return location or headers.get("requestid") or headers.get("x-ms-request-id")


def _reasons(answer: Mapping[str, Any]) -> Iterable[str]:
    for message in answer.get("messages") or ():
        if str(message.get("type", "Error")).lower() == "error" and message.get("message"):
            yield str(message["message"])
    text = answer.get("serviceExceptionJson")
    if not text:
        return
    try:
        document = json.loads(text)
    except ValueError:
        yield str(text)
        return
    parts = [document.get("errorCode"), document.get("errorDescription")] if isinstance(document, dict) else [text]
    yield ": ".join(str(part) for part in parts if part)
