"""What fills the cursor of a schedule: the server's clock, a sequence, or the application's own clock, with its steps.

Real transactions of a test last milliseconds. Where the server's clock fills the cursor the lag is therefore zero; the
other clocks jump by minutes and hours, and have the default lag.
"""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

from midnight.configuration.cursors import CursorKind, clock_value, cursor_text

_START = datetime(2024, 3, 30, 12, tzinfo=UTC)


class Cursor:
    """One kind of cursor; ``sql`` is the value of a write.

    Attributes:
        type: of the column.
        start: SQL of the value of the rows that the table begins with.
        lag: ``cursor_lag``; None is the default.
        from_the_servers_clock: the horizon of the cursor alone is exact.
    """

    type = "timestamptz"
    kind: CursorKind = "timestamptz"
    start = "NULL"
    lag: int | None = None
    from_the_servers_clock = False

    def __init__(self, chance: random.Random) -> None:
        self.random = chance

    def __str__(self) -> str:
        return f"{type(self).__name__} ({self.type})"

    def begin(self) -> object:
        """What a transaction takes when it begins."""
        return None

    def sql(self, begun: object) -> str:
        """SQL of the value of a write.

        Args:
            begun: from ``begin``.
        """
        raise NotImplementedError

    def step(self) -> str:
        """Let the clock step; what happened."""
        return "no clock of its own"

    def text_of_clock(self, now: datetime) -> str:
        """The server's time as a value of the cursor."""
        return cursor_text(clock_value(now, self.kind))


class TransactionStart(Cursor):
    """``now()``: the start of the transaction."""

    lag = 0
    from_the_servers_clock = True
    start = "now() - interval '1 day'"
    value = "now()"

    def sql(self, begun: object) -> str:
        return self.value


class TransactionStartLocal(TransactionStart):
    """``now()`` as a local time without a zone."""

    type = "timestamp"
    kind: CursorKind = "timestamp"
    start = "localtimestamp - interval '1 day'"
    value = "(now() AT TIME ZONE 'America/New_York')"


class StatementClock(TransactionStart):
    """``clock_timestamp()``: the time of the write."""

    value = "clock_timestamp()"


class SteppedServer(TransactionStart):
    """``now()`` of a server whose clock is set forward and back."""

    from_the_servers_clock = False
    _offset = 0

    def begin(self) -> object:
        return self._offset

    def sql(self, begun: object) -> str:
        return f"(now() + interval '{begun} seconds')"

    def step(self) -> str:
        self._offset = self.random.choice([0, -3600, -30, 30, 3600])
        return f"the server's clock is {self._offset} s off"


class Application(Cursor):
    """The application's clock, read when the transaction begins; values repeat to the microsecond."""

    start = f"'{_START - timedelta(days=3)}'"

    def __init__(self, chance: random.Random) -> None:
        super().__init__(chance)
        self._now = _START

    def begin(self) -> object:
        if self.random.random() < 0.7:
            self._now += timedelta(minutes=self.random.choice([1, 20, 59, 61, 200]))
        return self._now

    def sql(self, begun: object) -> str:
        return f"'{begun}'"

    def step(self) -> str:
        self._now += timedelta(minutes=self.random.choice([-240, -90, -5, 5, 90, 240]))
        return f"the application's clock steps to {self._now}"


class ApplicationDay(Application):
    """The application's day."""

    type = "date"
    kind: CursorKind = "date"

    def begin(self) -> object:
        if self.random.random() < 0.5:
            self._now += timedelta(days=self.random.choice([1, 2, 5]))
        return self._now


class SequenceNumber(Cursor):
    """The next number of a sequence, in steps so large that the lag of 1000 is soon behind."""

    type = "bigint"
    kind: CursorKind = "number"
    start = "0"

    def __init__(self, chance: random.Random) -> None:
        super().__init__(chance)
        self._next = 1

    def _take(self) -> int:
        self._next += self.random.choice([1, 100, 700, 1500])
        return self._next

    def begin(self) -> object:
        return self._take()  # as a session does that takes numbers in advance (CACHE)

    def sql(self, begun: object) -> str:
        return str(begun if self.random.random() < 0.4 else self._take())

    def text_of_clock(self, now: datetime) -> str:
        return str(2**63 - 1)


CURSORS = (
    TransactionStart,
    TransactionStartLocal,
    StatementClock,
    SteppedServer,
    Application,
    ApplicationDay,
    SequenceNumber,
)
