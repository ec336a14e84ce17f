"""Faults of the source: its server, its sessions, its locks, and a standby."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

from tests.fakes.tcp_proxy import How, TcpProxy
from tests.support.interruptions.child import run
from tests.support.interruptions.faults import READS, Fault, Inject, middle, paused
from tests.support.interruptions.servers import READER, Stop
from tests.support.interruptions.task import Result
from tests.support.interruptions.world import World


def _restart(how: Stop) -> Inject:
    def inject(world: World, stage: str, batch: str) -> Result:
        return paused(world, stage, batch, lambda: world.servers.restart(how))

    return inject


def _cut(how: How, *, everything: bool) -> Inject:
    def inject(world: World, stage: str, batch: str) -> Result:
        number = None if everything else world.rng.randrange(4)
        with TcpProxy("127.0.0.1", world.servers.primary.port).running() as proxy:
            dsn = world.servers.reader(world.database, port=proxy.port).dsn
            return paused(world, stage, batch, lambda: proxy.cut(number, how), dsn=dsn, wait_seconds=1.5)

    return inject


def _end_sessions(world: World, stage: str, batch: str) -> Result:
    limit = world.rng.choice([1, 100])
    query = (
        "SELECT pg_terminate_backend(pid) FROM (SELECT pid FROM pg_stat_activity WHERE usename = %s AND datname = %s "
        "ORDER BY random() LIMIT %s) AS chosen"
    )

    def end() -> None:
        with world.connect() as connection:
            connection.execute(query, [READER, world.database, limit])

    return paused(world, stage, batch, end)


def _cancel_statements(world: World, stage: str, batch: str) -> Result:
    """From a random moment on, until one is cancelled: a session that waits for its client has no statement."""
    query = (
        "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE usename = %s AND datname = %s AND state = 'active'"
    )
    ended = threading.Event()

    def cancel() -> None:
        with world.connect() as connection:
            while not ended.is_set():
                connection.execute(query, [READER, world.database])
                time.sleep(0.001)

    thread = threading.Thread(target=cancel)
    try:
        return run(world.task(stage, batch, action="pause", **middle(world, stage)), thread.start)
    finally:
        ended.set()
        if thread.ident is not None:
            thread.join()


def _statement_timeout(world: World, stage: str, batch: str) -> Result:
    milliseconds = max(world.rng.choice([1, 2, 5, 10, 20]) // 4**world.injections, 1)
    where = f"ROLE {READER} IN DATABASE {world.database}"
    with world.connect() as connection:
        connection.execute(f"ALTER {where} SET statement_timeout = {milliseconds}")
        try:
            return run(world.task(stage, batch, role_timeouts=True))
        finally:
            connection.execute(f"ALTER {where} RESET statement_timeout")


@contextlib.contextmanager
def _lock_held(world: World, table: str, seconds: float) -> Iterator[None]:
    """Another session waits for an exclusive lock, gets it, and holds it for some time."""
    begun = threading.Event()

    def hold() -> None:
        with world.connect() as connection, connection.transaction():
            begun.set()
            connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
            time.sleep(seconds)

    thread = threading.Thread(target=hold)
    thread.start()
    begun.wait(10)
    time.sleep(0.02)
    try:
        yield
    finally:
        thread.join()


def _locked(world: World, stage: str, batch: str) -> Result:
    table, seconds = world.rng.choice(["orders", "lines", "words"]), world.rng.choice([0.2, 1.5])
    with contextlib.ExitStack() as stack:

        def lock() -> None:
            stack.enter_context(_lock_held(world, table, seconds))

        if world.rng.random() < 0.3:
            lock()
            return replace(run(world.task(stage, batch, wait_seconds=0.7)), happened=True)
        task = world.task(stage, batch, action="pause", at=world.moment(stage), wait_seconds=0.7)
        return run(task, lock)


_DDL = (
    "VACUUM FULL orders",
    "ALTER TABLE orders ALTER note TYPE varchar; ALTER TABLE orders ALTER note TYPE text",
    "ALTER TABLE lines ADD COLUMN extra int DEFAULT 5; ALTER TABLE lines DROP COLUMN extra",
    "CREATE TABLE copy AS SELECT * FROM words; TRUNCATE words; INSERT INTO words SELECT * FROM copy; DROP TABLE copy",
    "CREATE TABLE copy (LIKE words); INSERT INTO copy SELECT * FROM words; DROP TABLE words; "
    f"ALTER TABLE copy RENAME TO words; GRANT SELECT ON words TO {READER}",
    "ALTER TABLE orders ADD COLUMN twice numeric GENERATED ALWAYS AS (amount * 2) STORED; "
    "ALTER TABLE orders DROP COLUMN twice",
    "CREATE TEMP TABLE kept AS SELECT * FROM lines; TRUNCATE lines; INSERT INTO lines SELECT * FROM kept; "
    "DROP TABLE kept",
    "CLUSTER orders USING orders_pkey",
)


def _ddl(world: World, stage: str, batch: str) -> Result:
    statements, threads = world.rng.choice(_DDL), []

    def change() -> None:
        with world.connect() as connection:
            connection.execute(statements)

    def start() -> None:
        threads.append(threading.Thread(target=change))
        threads[0].start()
        threads[0].join(0.05)  # it may wait for the reader's locks

    result = run(world.task(stage, batch, action="pause", at=world.moment(stage)), start)
    for thread in threads:
        thread.join()
    return result


def _recovery_conflict(world: World, stage: str, batch: str) -> Result:
    """The primary removes rows that a query of the standby still needs, or rewrites the table."""
    server = world.servers.standby
    dsn = world.servers.reader(world.database, port=server.port).dsn
    statements = world.rng.choice(
        [
            ("UPDATE orders SET note = note || 'y', moved = clock_timestamp() WHERE id % 3 = 0", "VACUUM orders"),
            ("UPDATE words SET n = n + 1", "VACUUM (FREEZE) words", "VACUUM (FREEZE) orders"),
            ("VACUUM FULL lines",),
            ("UPDATE orders SET amount = 1, moved = clock_timestamp() WHERE id % 7 = 0", "CLUSTER orders USING "
             "orders_pkey"),
        ]
    )  # fmt: skip

    def conflict() -> None:
        with world.connect() as connection:
            for statement in statements:
                connection.execute(statement)
        world.dirty = True
        world.servers.catch_up()

    try:
        return run(world.task(stage, batch, action="pause", **middle(world, stage), dsn=dsn), conflict)
    finally:
        world.servers.catch_up()


SOURCE_FAULTS: tuple[Fault, ...] = (
    Fault("server restart (fast)", READS, _restart("fast")),
    Fault("server restart (immediate)", READS, _restart("immediate")),
    Fault("server kill -9", READS, _restart("kill -9")),
    Fault("all connections cut", READS, _cut("reset", everything=True)),
    Fault("one connection cut", READS, _cut("closed", everything=False)),
    Fault("connection silent", READS, _cut("silent", everything=False), needs_operator=True),
    Fault("statement cancelled", READS, _cancel_statements),
    Fault("session terminated", READS, _end_sessions),
    Fault("statement timeout", READS, _statement_timeout),
    Fault("lock by DDL", READS, _locked, needs_operator=True, passes=True),
    Fault("DDL in between", READS, _ddl, passes=True),
    Fault("recovery conflict", READS, _recovery_conflict, needs_operator=True),
)
