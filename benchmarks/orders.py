"""Shared by the benchmarks of the extraction: a table of 3 million rows on its own server, and fresh processes."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, TypeVar

from midnight.settings import REPOSITORY, python_path

if TYPE_CHECKING:
    import psycopg

_Result = TypeVar("_Result")

ROWS = 3_000_000
CONNECTIONS = 2  # the default of a load group

_ORDERS = """
CREATE TABLE orders AS
SELECT i::bigint AS id, (i::bigint * 7919 % 100000)::int AS customer,
       CASE WHEN i % 10 > 0 THEN (i % 500)::smallint END AS quantity,
       ((i::bigint * 37 % 100000000) / 100.0)::numeric(12,2) AS amount,
       'order note number ' || i || ' ' || md5(i::text) AS note,
       (ARRAY['DE', 'FR', 'USA', 'GB'])[1 + i % 4]::varchar(3) AS country,
       '2013-01-01'::timestamptz + make_interval(secs => i * 11.137891) AS created,
       '2013-01-01'::date + (i % 3650)::int AS day, sqrt(i) * 1.1 AS ratio, i % 3 = 0 AS paid
FROM generate_series(1, {rows}) i
"""


def orders_table(rows: int) -> str:
    """The statement that creates the table."""
    return _ORDERS.format(rows=rows)


TABLE = orders_table(ROWS)


@contextlib.contextmanager
def orders_server() -> Iterator[tuple[str, psycopg.Connection]]:
    """The address of a new server with the table orders, and a connection to it; the server stops with the block."""
    with server_with([TABLE, "ALTER TABLE orders ADD PRIMARY KEY (id)"]) as server:
        yield server


@contextlib.contextmanager
def server_with(statements: Iterable[str]) -> Iterator[tuple[str, psycopg.Connection]]:
    """The address of a new server with some tables, and a connection to it; the server stops with the block.

    Args:
        statements: that create the tables.
    """
    import psycopg  # only where a server is started

    from cli.postgres.temporary import temporary_server

    with (
        temporary_server({"shared_buffers": "1GB"}) as server,
        psycopg.connect(server.dsn, autocommit=True) as connection,
    ):
        for statement in statements:
            connection.execute(statement)
        connection.execute("VACUUM (FREEZE, ANALYZE)")
        yield server.dsn, connection


def measured(work: Callable[[], _Result]) -> tuple[_Result, dict[str, float]]:
    """The result of a function, and seconds, processor seconds and peak memory of this process (megabytes)."""
    processor, started = time.process_time(), time.perf_counter()
    result = work()
    cost = {
        "seconds": time.perf_counter() - started,
        "processor": time.process_time() - processor,
        "megabytes": peak_megabytes(),
    }
    return result, cost


def peak_megabytes() -> float:
    """Peak memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def in_fresh_process(module: str, arguments: list[str], secrets: Mapping[str, str]) -> dict[str, float]:
    """The measurements that a benchmark prints: the JSON document in its last line.

    Args:
        module: of this package.
        arguments: of its command line.
        secrets: variables of its environment; arguments are visible to every user.
    """
    answer = subprocess.run(  # noqa: S603
        [sys.executable, "-m", f"benchmarks.{module}", *arguments],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": python_path(), **secrets},
        capture_output=True,
        text=True,
        check=True,
    )
    result: dict[str, float] = json.loads(answer.stdout.splitlines()[-1])
    return result
