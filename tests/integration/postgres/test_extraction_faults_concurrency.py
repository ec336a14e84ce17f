"""Other sessions and tries during extraction: they wait or fail, and the batch is complete."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
import time
from types import SimpleNamespace

import psycopg
import pytest

from midnight.errors import SourceError
from midnight.postgres_to_bronze.source_settings import SESSION_SETTINGS
from tests.support.big_table import BIG, EVERY_ID, ids
from tests.support.ingest_run import address_of, configure, run_sql


def test_truncate_waits_until_the_group_is_read(database, bronze, many_ranges):
    run_sql(database, *BIG, "CREATE TABLE later (id int)", "INSERT INTO later SELECT generate_series(1, 100)")
    tables = [configure(database, name) for name in ("big", "later")]
    truncating: list[threading.Thread] = []

    def truncate():
        run_sql(database, "TRUNCATE later")  # not read yet

    def log(line):
        if not truncating:
            truncating.append(threading.Thread(target=truncate))
            truncating[0].start()
            time.sleep(0.3)

    asyncio.run(dataclasses.replace(bronze.group(address_of(database), *tables), log=log).run())
    truncating[0].join(10)
    assert [ids(bronze, table) for table in tables] == [EVERY_ID, list(range(1, 101))]
    assert [r.rows for r in bronze.ingest(database, *tables, batch_id="b2")] == [len(EVERY_ID), 0]


def test_a_lock_of_another_session_is_one_message_and_no_deadlock(database, bronze, monkeypatch):
    monkeypatch.setitem(SESSION_SETTINGS, "lock_timeout", "200ms")
    run_sql(database, "CREATE TABLE t (id int)")
    table = configure(database, "t")
    with psycopg.connect(database.dsn) as other:
        other.execute("LOCK TABLE t")
        with pytest.raises(SourceError, match="another session holds a lock on the table"):
            bronze.ingest(database, table)
    assert bronze.ingest(database, table)[0].rows == 0


def test_two_tries_of_one_run_at_the_same_time_never_mix(database, bronze, many_ranges):
    """A try that the scheduler has abandoned may still run when the next one starts."""
    run_sql(database, *BIG)
    table = configure(database, "big")
    zombie = bronze.group(address_of(database), table)
    seen = SimpleNamespace(rows=None)

    def second_try(line):
        if seen.rows is None:
            seen.rows = 0
            thread = threading.Thread(target=lambda: bronze.ingest(database, table))
            thread.start()
            thread.join()
            seen.rows = bronze.manifest(table).rows

    with pytest.raises(Exception, match=r"missing|cannot be (written|read)"):
        asyncio.run(dataclasses.replace(zombie, log=second_try).run())
    assert seen.rows == len(EVERY_ID)
    assert ids(bronze, table) == EVERY_ID
