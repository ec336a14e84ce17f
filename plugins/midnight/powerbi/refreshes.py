"""Requests to refresh a Power BI dataset, and the state of a refresh.

Source: "Datasets - Refresh Dataset In Group", "Enhanced refresh with the Power BI REST API", "Datasets - Get Refresh
History In Group", "Datasets - Get Refresh Execution Details In Group".
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

# A workspace on a capacity (Fabric, Premium, Embedded, per user) has the enhanced refresh: it can be cancelled, and is
# transactional.
ENHANCED_REQUEST = {"type": "full", "commitMode": "transactional", "retryCount": 1}
# Any other workspace (Pro) has the plain one. Any field other than notifyOption requests an enhanced refresh, and
# notifyOption "is not applicable to API operations with a service principal": so the request has no fields.
PLAIN_REQUEST: dict[str, str] = {}
PLAIN_REFRESHES_PER_DAY = 8  # including scheduled ones
ENHANCED_TYPE = "ViaEnhancedApi"  # refreshType in the history
_LIMIT = re.compile(r"limit|exceed|maximum", re.IGNORECASE)
_ACTIVE_STATUSES = ("unknown", "notstarted", "inprogress", "in progress")


@dataclass(frozen=True)
class RefreshState:
    """State of a refresh.

    Args:
        refresh_id: Power BI's request id.
        status: as in Power BI, for example ``Completed``; ``Unknown`` means in progress.
        reason: the service's reason of a failure; may be empty.
        is_enhanced: whether it has details and can be cancelled.
        seconds: from its start to its end; 0 while it is in progress.
    """

    refresh_id: str
    status: str
    reason: str = ""
    is_enhanced: bool = True
    seconds: float = 0

    @property
    def ended(self) -> bool:
        return self.status.lower() not in _ACTIVE_STATUSES

    @property
    def succeeded(self) -> bool:
        return self.status.lower() == "completed"


def refresh_state(refresh_id: str, answer: Mapping[str, Any]) -> RefreshState:
    """Parse an entry of the history, or the details of one refresh."""
    status = str(answer.get("extendedStatus") or answer.get("status") or "Unknown")
    enhanced = answer.get("refreshType", ENHANCED_TYPE) == ENHANCED_TYPE
    return RefreshState(refresh_id, status, "; ".join(_reasons(answer)), enhanced, _seconds(answer))


def active_refresh(history: Iterable[Mapping[str, Any]]) -> str | None:
    """Id of the refresh in progress, of which Power BI allows one; None when there is none."""
    states = (refresh_state(str(entry["requestId"]), entry) for entry in history)
    return next((state.refresh_id for state in states if not state.ended), None)


def refresh_in_history(refresh_id: str, history: Iterable[Mapping[str, Any]]) -> RefreshState:
    """The state of one refresh; one that is not in the history yet has just started."""
    entry = next((entry for entry in history if entry.get("requestId") == refresh_id), None)
    return RefreshState(refresh_id, "Unknown", is_enhanced=False) if entry is None else refresh_state(refresh_id, entry)


def is_on_capacity(group: Mapping[str, Any]) -> bool:
    """Whether a workspace (an entry of "Groups - Get Groups") has the enhanced refresh."""
    return bool(group.get("isOnDedicatedCapacity"))


def is_daily_limit(message: str) -> bool:
    """Whether a plain refresh was refused because of the daily limit. The wording of the error is not documented."""
    return _LIMIT.search(message) is not None


def started_refresh(headers: Mapping[str, str]) -> str | None:
    """Id of the refresh that a request started, from the response's headers (lower-case names)."""
    location = headers.get("location", "").rstrip("/").rpartition("/")[2]
    return location or headers.get("requestid") or headers.get("x-ms-request-id")


def _seconds(answer: Mapping[str, Any]) -> float:
    start, end = answer.get("startTime"), answer.get("endTime")
    if not start or not end:
        return 0
    try:
        return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()
    except ValueError:
        return 0


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
