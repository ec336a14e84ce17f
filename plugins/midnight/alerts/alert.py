"""One alert, and the text of an error as it may leave the system: without values of rows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from midnight.configuration.alerts import AlertEvent
from midnight.durations import describe_age
from midnight.errors import MidnightError, first_line
from midnight.gold_to_serving.publication import Publication

LONGEST_CAUSE = 1000
_SEE_LOG = "the rest may show values of rows, and is in the task's log"
# After these words a message may quote values: texts of an engine or of PostgreSQL, examples of rows.
_MAY_QUOTE_VALUES = re.compile(
    r"(the engine failed: |the query failed: | holds (?=['\"0-9\[{(<-])|cannot convert (?:a value|to) |; rows: "
    r"|, key \(|; \w[\w ]* has (?=['\"N]))"
)
# Packages whose errors quote values, such as "Could not convert string 'x' to INT32".
_QUOTE_VALUES = frozenset({"duckdb", "mssql_python", "pyodbc", "pyspark", "pyarrow", "deltalake"})


@dataclass(frozen=True)
class Alert:
    """A message to people.

    Args:
        event: its kind.
        incident: identifies the incident; a second alert of it is not sent.
        headline: one line: what happened.
        cause: why, for people, without values of rows; empty where there is none. Several problems are lines, each with
            its hint.
        hint: what to do, before ``command``; empty when there is nothing to do.
        command: the next command to run, complete; empty when there is none.
        readers: what readers have meanwhile.
        links: label -> address.
    """

    event: AlertEvent
    incident: str
    headline: str
    cause: str = ""
    hint: str = ""
    command: str = ""
    readers: str = ""
    links: Mapping[str, str] = field(default_factory=dict)


def public_cause(error: object) -> str:
    """The message of an error without values of rows, at most LONGEST_CAUSE characters.

    Args:
        error: an exception, or its text; texts of exceptions that Midnight did not raise are not shown.
    """
    if isinstance(error, BaseException) and not isinstance(error, MidnightError):
        return f"{type(error).__name__}; {_SEE_LOG}"
    text = "\n".join(line for part in str(error or "").splitlines() if (line := " ".join(part.split())))
    for quoted in _foreign_texts(error):
        text = text.replace(quoted, f"… ({_SEE_LOG})")
    found = _MAY_QUOTE_VALUES.search(text)
    if found:
        text = f"{text[: found.end()].strip(' :')} …; {_SEE_LOG}"
    return text if len(text) <= LONGEST_CAUSE else f"{text[:LONGEST_CAUSE]}…"


def split_hint(cause: str) -> tuple[str, str]:
    """The text of ``public_cause`` without its hint, and the hint; with several hints each stays with its problem."""
    found, *hints = cause.split("; hint: ")
    return (found, hints[0]) if len(hints) == 1 and "\n" not in hints[0] else (cause, "")


def _foreign_texts(error: object) -> list[str]:
    """The texts of the exceptions behind an error that may quote values, as the error's message may repeat them."""
    texts = []
    cause = error.__cause__ if isinstance(error, BaseException) else None
    while cause is not None:
        if type(cause).__module__.partition(".")[0].lstrip("_") in _QUOTE_VALUES:
            lines = (" ".join(line.split()) for line in (str(cause), first_line(cause), *str(cause).splitlines()))
            texts += [line for line in lines if line]
        cause = cause.__cause__
    return texts


def describe_readers(publication: Publication | None, now: datetime, timezone: str, unread: str = "") -> str:
    """What readers see now.

    Args:
        publication: the current one; None: nothing was published yet.
        now: with a time zone.
        timezone: of the pipeline.
        unread: why the record of the publication cannot be read; empty if it was read.
    """
    if unread:
        return f"What readers have is not known, since the record of the publication cannot be read: {unread}"
    if publication is None:
        return "Readers have no data yet: nothing was published."
    at = publication.published_at.astimezone(ZoneInfo(timezone))
    age = describe_age(now - publication.published_at)
    return f"Readers have the data published at {at:%a %d %b %Y, %H:%M} {timezone} ({age} old)."
