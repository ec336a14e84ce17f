"""Reads Data Factory's responses about the activities of a pipeline run ("Activity Runs - Query By Pipeline Run")."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from midnight.data_factory.copy_request import is_key_part
from midnight.names import qualified_name

_MOST_FAILURES = 5
_LONGEST_MESSAGE = 600
# The service nests its errors; the innermost is the error of the source or the lake.
_INNER_MESSAGE = re.compile(r"Message=(.*?)(?=,\s*Source=|,?'{1,2}(?:Type=|$)|$)", re.DOTALL)


def failure_messages(activities: Iterable[Mapping[str, Any]]) -> list[str]:
    """One message per activity whose last attempt failed: which activity, of which table, and why.

    Args:
        activities: of one pipeline run, one element per attempt; the activities around a failed one (ForEach) repeat
            its message and are left out.
    """
    last: dict[tuple[str, ...], Mapping[str, Any]] = {}
    for activity in activities:
        place = (activity["activityName"], *(_property(activity, name) for name in ("Table", "Part")))
        if last.get(place, {}).get("status") != "Succeeded":
            last[place] = activity
    failed = [activity for activity in last.values() if activity["status"] == "Failed"]
    containers = ("ForEach", "IfCondition")
    inner = [activity for activity in failed if activity.get("activityType") not in containers] or failed
    messages = [_message(activity) for activity in inner[:_MOST_FAILURES]]
    if len(inner) > _MOST_FAILURES:
        messages.append(f"and {len(inner) - _MOST_FAILURES} more")
    return messages


def rows_copied(
    activities: Iterable[Mapping[str, Any]], tables: Iterable[tuple[str, str]], *, keys: bool = False
) -> dict[str, int]:
    """Rows by qualified name, as the succeeded copies of a pipeline run report them.

    Args:
        activities: of one pipeline run.
        tables: schema and name.
        keys: of the lists of keys, instead of the tables' rows.
    """
    names = {f"{schema}.{table}": qualified_name(schema, table) for schema, table in tables}
    rows: dict[str, int] = {}
    for activity in activities:
        name = names.get(_property(activity, "Table"))
        copied = (activity.get("output") or {}).get("rowsCopied")
        counted = is_key_part(_property(activity, "Part")) is keys
        if name is not None and counted and activity["status"] == "Succeeded" and copied is not None:
            rows[name] = rows.get(name, 0) + int(copied)
    return rows


def _message(activity: Mapping[str, Any]) -> str:
    error = activity.get("error") or {}
    text = str(error.get("message") or "no reason was given").strip()
    inner = [message.strip() for message in _INNER_MESSAGE.findall(text) if message.strip()]
    reason = inner[-1] if inner else text
    if len(reason) > _LONGEST_MESSAGE:
        reason = f"{reason[:_LONGEST_MESSAGE]}…"
    table, part = _property(activity, "Table"), _property(activity, "Part")
    place = f" of {table}" if table else ""
    number = part.partition("-")[0]  # an increment's mark follows it
    place += f", part {int(number) + 1}" if number.isdigit() and int(number) else ""
    # Data Factory's sessions keep the role's timeouts; PostgreSQL's error for them is 57014.
    is_timeout = "statement timeout" in reason
    hint = "; hint: run ALTER ROLE … SET statement_timeout = 0 for the role of the linked service" if is_timeout else ""
    return f"{activity['activityName']}{place}: {reason}{hint}"


def _property(activity: Mapping[str, Any], name: str) -> str:
    return str((activity.get("userProperties") or {}).get(name) or "")
