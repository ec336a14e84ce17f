"""One more night in the demo source: `make night`.

What a night brings is a function of the day alone, so that every demo and every test sees the same history.
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
# What a night changes beside the new day: enough to see in every layer, and few against a quarter of a million.
CORRECTED_FLIGHTS = 40
WITHDRAWN_FLIGHTS = 5


@dataclass(frozen=True)
class NightChanges:
    """What happened in the source in one night; all but ``day`` and ``failures`` are rows.

    ``failures`` names the changes that the tables did not take, since somebody has changed the demo's schema.
    """

    day: date
    flights_added: int
    flights_corrected: int
    flights_withdrawn: int
    planes_added: int
    weather_hours_added: int
    failures: tuple[str, ...] = ()


def advance_one_day(demo: Server) -> NightChanges:
    """Let one more day happen: new flights and weather, new aircraft, late corrections, withdrawn flights.

    All of it in one transaction. Somebody may have changed the demo's tables to see what the pipeline makes of it:
    columns that are gone are left out, and a change that a table does not take is left out and named.

    Args:
        demo: login of the owner of the demo database (see ``demo_login``).

    Raises:
        MidnightError: the data ends with 2013, or the demo itself was removed.
    """
    return asyncio.run(_advance_one_day(demo))


# The airline takes flights of three days ago out of its books, cancelled ones first. The hash picks them without
# depending on how the table is stored.
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


async def _advance_one_day(demo: Server) -> NightChanges:
    tables = await asyncio.to_thread(read_tables)
    async with connect_demo(demo) as connection, connection.transaction():
        today = await read_current_day(connection, lock=True)
        if today >= LAST_DAY:
            raise MidnightError(
                f"the demo's data ends on {LAST_DAY}, and that day is loaded: run `make reset` and `make up` "
                "to start again"
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
    return NightChanges(
        day=day,
        flights_added=added["flights"],
        flights_corrected=corrected,
        flights_withdrawn=withdrawn,
        planes_added=added["planes"],
        weather_hours_added=added["weather"],
        failures=tuple(changes.failures),
    )


class _Changes:
    """The changes of one night, each behind a savepoint: one that fails does not take the others with it."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection
        self.failures: list[str] = []

    async def make(self, name: str, change: Callable[[], Awaitable[int]]) -> int:
        """Rows that the change touched; 0 when it failed."""
        import asyncpg

        try:
            async with self._connection.transaction():
                return await change()
        except asyncpg.PostgresError as error:
            self.failures.append(f"{name}: {first_line(error)}")
            return 0

    async def run(self, name: str, statement: str, *arguments: object) -> int:
        """Rows that a statement with RETURNING touched; 0 when it failed."""

        async def change() -> int:
            return len(await self._connection.fetch(statement, *arguments))

        return await self.make(name, change)
