"""The cursor of an incremental table: a column whose value grows whenever a row is written.

Its values are kept as text (ISO 8601, or digits), so that manifests, logs and queries show the same value.
"""

from __future__ import annotations

import re
import threading
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from midnight.column_types import normalise_type, stored_type
from midnight.errors import TypeNotSupportedError
from midnight.sql_text import postgres_literal

if TYPE_CHECKING:
    import pyarrow

CursorKind = Literal["number", "date", "timestamp", "timestamptz"]
# Default of `cursor_lag`: numbers, days or seconds by kind. A transaction takes its timestamp or sequence number when
# it begins and becomes visible when it commits, which may be after the commit of a higher value.
DEFAULT_CURSOR_LAG: dict[CursorKind, int] = {"number": 1_000, "date": 1, "timestamp": 3_600, "timestamptz": 3_600}
# The system column of every heap: the transaction that wrote the row.
TRANSACTION_CURSOR = "xmin"
CURSOR_TYPES = "smallint, integer, bigint, numeric without decimals, date, timestamp or timestamptz"
# How far a valid value may be ahead of the server's clock: clocks differ between machines, and a timestamp or date
# without a zone may be the local time of a place that is 14 hours ahead of UTC.
_TOLERANCE: dict[CursorKind, timedelta] = {
    "date": timedelta(days=1),
    "timestamp": timedelta(hours=14),
    "timestamptz": timedelta(minutes=5),
}
_WHOLE_NUMBER = re.compile(r"smallint|integer|bigint|numeric\(\d+,0\)")


def cursor_kind(pg_type: str, bronze_type: str | None = None) -> CursorKind | None:
    """Kind of a column's values as a cursor; None for a column that cannot be one.

    Args:
        pg_type: type in the source.
        bronze_type: type in bronze, where it differs; a cursor's values must not change on the way.
    """
    try:
        stored = stored_type(pg_type, bronze_type)
    except TypeNotSupportedError:
        return None
    declared = normalise_type(pg_type)
    if _WHOLE_NUMBER.fullmatch(stored):
        return "number" if declared.partition("(")[0] in ("smallint", "integer", "bigint", "numeric") else None
    if stored == "date":
        return "date" if declared == "date" else None
    if stored.startswith("timestamp") and stored == re.sub(r"\(\d\)", "", declared):
        return "timestamptz" if stored.endswith("with time zone") else "timestamp"
    return None


def cursor_text(value: Any) -> str:
    """A value as the manifest holds it; a timestamp with time zone in UTC."""
    if isinstance(value, datetime):
        return (value if value.tzinfo is None else value.astimezone(UTC)).isoformat()
    return value.isoformat() if isinstance(value, date) else str(int(value))


def cursor_value(text: str, kind: CursorKind) -> Any:
    """The inverse of ``cursor_text``."""
    if kind == "number":
        return int(text)
    return date.fromisoformat(text) if kind == "date" else datetime.fromisoformat(text)


def step_back(text: str, kind: CursorKind, lag: int) -> str:
    """The value ``lag`` before a value (numbers, days or seconds), but not below the smallest of its type."""
    value = cursor_value(text, kind)
    if kind == "number":
        return cursor_text(value - lag)
    try:
        return cursor_text(value - (timedelta(days=lag) if kind == "date" else timedelta(seconds=lag)))
    except OverflowError:
        smallest = date.min if kind == "date" else datetime.min.replace(tzinfo=value.tzinfo)
        return cursor_text(smallest)


def cursor_literal(text: str, kind: CursorKind) -> str:
    """A value as a PostgreSQL literal whose meaning no session setting changes."""
    value = cursor_text(cursor_value(text, kind))  # parsed and rendered: only a value reaches the SQL
    if kind == "number":
        return value
    names = {"date": "DATE", "timestamp": "TIMESTAMP", "timestamptz": "TIMESTAMP WITH TIME ZONE"}
    return f"{names[kind]} {postgres_literal(value)}"


def clock_value(clock: datetime, kind: CursorKind) -> Any:
    """A time as a value of the cursor, in UTC; None for a number.

    Args:
        clock: with a time zone.
        kind: of the cursor.
    """
    moment = clock.astimezone(UTC)
    if kind == "number":
        return None
    if kind == "date":
        return moment.date()
    return moment if kind == "timestamptz" else moment.replace(tzinfo=None)


class CursorExtremes:
    """Smallest and largest cursor value of the rows that were added; safe to use from several threads.

    Args:
        column: its name in the rows; None when the table has no cursor, so that nothing is recorded.
        kind: of its values.
        clock: at or before the time when the rows were read, with a time zone.
        latest: when reading ended, if that differs from ``clock``; values that are far ahead of it are counted.
    """

    def __init__(
        self,
        column: str | None,
        kind: CursorKind | None = None,
        clock: datetime | None = None,
        latest: datetime | None = None,
    ) -> None:
        self._column = column
        self._lock = threading.Lock()
        self._values: list[Any] = []
        self._now = None if clock is None or kind is None else clock_value(clock, kind)
        self._latest = self._now if latest is None or kind is None else clock_value(latest, kind)
        self._limit = None if self._latest is None or kind is None else _later(self._latest, _TOLERANCE[kind])
        self.ahead = 0

    def add(self, rows: pyarrow.Table | pyarrow.RecordBatch) -> None:
        """Record the cursor values of some rows."""
        if self._column is None:
            return
        from pyarrow import compute

        column = rows.column(self._column)
        found = compute.min_max(column)
        values = [found["min"].as_py(), found["max"].as_py()]
        ahead = 0
        if self._limit is not None and values[1] is not None and values[1] > self._limit:
            ahead = compute.sum(compute.greater(column, self._limit)).as_py() or 0
        with self._lock:
            self.ahead += ahead
            known = [value for value in (*self._values, *values) if value is not None]
            self._values = [min(known), max(known)] if known else []

    def include(self, other: CursorExtremes) -> None:
        """Add the values that another one has recorded."""
        with self._lock:
            self.ahead += other.ahead
            known = [*self._values, *other._values]
            self._values = [min(known), max(known)] if known else []

    @property
    def lowest(self) -> str | None:
        """The smallest value as text; None when no row had a value."""
        return cursor_text(self._values[0]) if self._values else None

    @property
    def highest(self) -> str | None:
        """The largest value as text; None when no row had a value."""
        return cursor_text(self._values[-1]) if self._values else None

    @property
    def clock(self) -> str | None:
        """``clock`` as a value of the cursor; None for a number, or without a clock."""
        return None if self._now is None else cursor_text(self._now)

    @property
    def latest(self) -> str | None:
        """``latest`` as a value of the cursor; None for a number, or without a clock."""
        return None if self._latest is None else cursor_text(self._latest)


def _later(value: Any, tolerance: timedelta) -> Any:
    try:
        return value + tolerance
    except OverflowError:
        return None
