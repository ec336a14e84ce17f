"""One more day in the demo source, for `make night`.

The changes are a function of the day alone, so that every demo and every test sees the same history.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from cli.demo.nycflights import is_day, planes_of, read_tables, with_updated_at, written_at
from cli.demo.source import connect_demo, copy_rows, read_current_day
from cli.postgres.embedded import Server
from midnight.errors import MidnightError, first_line

if TYPE_CHECKING:
    import asyncpg

LAST_DAY = date(2013, 12, 31)
# Changes in addition to the new day: enough to see in every layer, and few compared with a quarter of a million rows.
CORRECTED_FLIGHTS = 40
WITHDRAWN_FLIGHTS = 5


@dataclass(frozen=True)
class DayChanges:
    """The changes of one day in the source; all but ``day`` and ``failures`` are numbers of rows.

    ``failures`` lists the changes that failed because the demo's schema was changed.
    """

    day: date
    flights_added: int
    flights_corrected: int
    flights_withdrawn: int
    planes_added: int
    weather_hours_added: int
    failures: tuple[str, ...] = ()


def advance_one_day(demo: Server) -> DayChanges:
    """Add one day: new flights and weather, new aircraft, late corrections, withdrawn flights.

    Everything is one transaction. A user may have changed the demo's tables to see how the pipeline reacts: dropped
    columns are left out, and a change that a table refuses is left out and reported.

    Args:
        demo: login of the owner of the demo database (see ``demo_login``).

    Raises:
        MidnightError: the data ends with 2013, or the demo itself was removed.
    """
    return asyncio.run(_advance_one_day(demo))


# The airline withdraws flights of three days ago, cancelled ones first. The hash chooses them independently of how the
# table is stored.
_WITHDRAW = """
DELETE FROM flights
WHERE flight_id IN (
    SELECT flight_id FROM flights
    WHERE make_date(year, month, day) = $1::date - 3
    ORDER BY dep_time <> 'NA', md5(flight_id::text)
    LIMIT $2
)
RETURNING flight_id
"""

# Arrivals of the last three days turn out to have been a few minutes later.
_CORRECT = """
WITH chosen AS (
    SELECT flight_id, 1 + get_byte(decode(md5(flight_id || 'minutes'), 'hex'), 0) % 20 AS minutes,
           row_number() OVER (ORDER BY flight_id) AS number
    FROM (
        SELECT flight_id FROM flights
        WHERE make_date(year, month, day) BETWEEN $1::date - 3 AND $1::date - 1 AND arr_delay <> 'NA'
        ORDER BY md5(flight_id || $1::date::text)
        LIMIT $2
    ) AS late
)
UPDATE flights
SET arr_delay = (arr_delay::integer + minutes)::text,
    arr_time = to_char('2013-01-01'::timestamp + make_interval(
        hours => arr_time::integer / 100, mins => arr_time::integer % 100 + minutes), 'FMHH24MI'),
    updated_at = $3::timestamptz + make_interval(secs => number)
FROM chosen
WHERE flights.flight_id = chosen.flight_id
RETURNING flights.flight_id
"""


async def _advance_one_day(demo: Server) -> DayChanges:
    tables = await asyncio.to_thread(read_tables)
    async with connect_demo(demo) as connection, connection.transaction():
        today = await read_current_day(connection, lock=True)
        if today >= LAST_DAY:
            raise MidnightError(
                f"the demo's data ends on {LAST_DAY}, which is already loaded", "run `make reset` and `make up`"
            )
        day = today + timedelta(days=1)
        flights = tables["flights"].filter(is_day(tables["flights"], day))
        weather = tables["weather"].filter(is_day(tables["weather"], day))
        changes = _Changes(connection)

        async def add_planes() -> int:
            known = [record["tailnum"] for record in await connection.fetch("SELECT tailnum FROM planes")]
            return await copy_rows(connection, "planes", planes_of(flights, tables["planes"], known))

        added = {
            "planes": await changes.make("planes: new aircraft", add_planes),
            "weather": await changes.make("weather: new hours", lambda: copy_rows(connection, "weather", weather)),
        }
        withdrawn = await changes.run("flights: withdrawn", _WITHDRAW, day, WITHDRAWN_FLIGHTS)
        corrected = await changes.run("flights: corrected", _CORRECT, day, CORRECTED_FLIGHTS, written_at(day, hour=6))
        added["flights"] = await changes.make(
            "flights: new flights", lambda: copy_rows(connection, "flights", with_updated_at(flights))
        )
        await connection.execute("UPDATE demo.state SET current_day = $1", day)
    return DayChanges(
        day=day,
        flights_added=added["flights"],
        flights_corrected=corrected,
        flights_withdrawn=withdrawn,
        planes_added=added["planes"],
        weather_hours_added=added["weather"],
        failures=tuple(changes.failures),
    )


class _Changes:
    """The changes of one day, each behind a savepoint: the others are kept when one fails."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection
        self.failures: list[str] = []

    async def make(self, name: str, change: Callable[[], Awaitable[int]]) -> int:
        """The number of changed rows; 0 when the change failed."""
        import asyncpg
        import pyarrow as pa

        try:
            async with self._connection.transaction():
                return await change()
        # The server refuses a change, or the changed table has values that do not compare with those of the data.
        except (asyncpg.PostgresError, asyncpg.InterfaceError, pa.ArrowException) as error:
            self.failures.append(f"{name}: {first_line(error)}")
            return 0

    async def run(self, name: str, statement: str, *arguments: object) -> int:
        """The number of rows that a statement with RETURNING changed; 0 when it failed."""

        async def change() -> int:
            return len(await self._connection.fetch(statement, *arguments))

        return await self.make(name, change)
