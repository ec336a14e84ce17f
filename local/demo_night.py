"""One more night in the demo source: `make night`.

What a night brings is a function of the day alone, so that every demo and every test sees the same history.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import date, timedelta

from local.demo_source import copy_rows
from local.embedded_postgres import Server
from local.nycflights import is_day, planes_of, read_tables, with_updated_at, written_at
from midnight.errors import MidnightError

LAST_DAY = date(2013, 12, 31)
# What a night changes beside the new day: enough to see in every layer, and few against a quarter of a million.
CORRECTED_FLIGHTS = 40
WITHDRAWN_FLIGHTS = 5


@dataclass(frozen=True)
class NightChanges:
    """What happened in the source in one night; all but ``day`` are rows."""

    day: date
    flights_added: int
    flights_corrected: int
    flights_withdrawn: int
    planes_added: int
    weather_hours_added: int


def advance_one_day(demo: Server) -> NightChanges:
    """Let one more day happen: new flights and weather, new aircraft, late corrections, withdrawn flights.

    All of it in one transaction.

    Args:
        demo: login of the owner of the demo database (see ``demo_login``).

    Raises:
        MidnightError: the data ends with 2013.
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
    import asyncpg

    tables = await asyncio.to_thread(read_tables)
    connection = await asyncpg.connect(demo.dsn)
    try:
        async with connection.transaction():
            today: date = await connection.fetchval("SELECT current_day FROM demo.state FOR UPDATE")
            if today >= LAST_DAY:
                raise MidnightError(
                    f"the demo's data ends on {LAST_DAY}, and that day is loaded: run `make reset` and `make up` "
                    "to start again"
                )
            day = today + timedelta(days=1)
            flights = tables["flights"].filter(is_day(tables["flights"], day))
            weather = tables["weather"].filter(is_day(tables["weather"], day))
            known = [record["tailnum"] for record in await connection.fetch("SELECT tailnum FROM planes")]
            planes = planes_of(flights, tables["planes"], known)
            await copy_rows(connection, "planes", planes)
            await copy_rows(connection, "weather", weather)
            withdrawn = await connection.fetch(_WITHDRAW, day, WITHDRAWN_FLIGHTS)
            corrected = await connection.fetch(_CORRECT, day, CORRECTED_FLIGHTS, written_at(day, hour=6))
            await copy_rows(connection, "flights", with_updated_at(flights))
            await connection.execute("UPDATE demo.state SET current_day = $1", day)
    finally:
        await connection.close()
    return NightChanges(
        day=day,
        flights_added=flights.num_rows,
        flights_corrected=len(corrected),
        flights_withdrawn=len(withdrawn),
        planes_added=planes.num_rows,
        weather_hours_added=weather.num_rows,
    )
