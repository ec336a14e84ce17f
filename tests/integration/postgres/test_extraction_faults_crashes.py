"""Crashes during extraction (kill, full disk, lost server): no partial batch is visible, and a retry is correct."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from cli.postgres.embedded import DEMO_SETTINGS, EmbeddedPostgres, Server, free_port
from cli.postgres.location import new_folder_for_server_user
from midnight.bronze.unfinished import UnfinishedReads
from midnight.configuration.tables import Table
from midnight.errors import LakeError, SourceError
from midnight.lake.files import LocalLakeFiles, LocalOutput
from midnight.settings import REPOSITORY, python_path
from midnight_airflow.operators.postgres_to_bronze import PostgresToBronzeOperator
from tests.support.big_table import BIG, EVERY_ID, ids
from tests.support.incremental_ingest import batch_of_day
from tests.support.ingest_run import BronzeFolder, address_of, configure, fetch, run_sql
from tests.support.other_postgres import needs_postgres
from tests.support.waiting import LIMIT_SECONDS


def start_process(server: Server, bronze: BronzeFolder, tables: str, what: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.support.extract_then_die", server.dsn, str(bronze.root), tables, what],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": python_path()},
        stdout=subprocess.PIPE,
        text=True,
    )


def incomplete_files(bronze: BronzeFolder, table: Table) -> list[str]:
    """Files that no record of an unfinished read lists, and which the next try therefore deletes."""
    batch = "20260101T000000000Z-00000001"
    records = UnfinishedReads(bronze.store, "main", batch).read_all([table]).values()
    complete = {name for record in records for name in record.file_names}
    return [name for name in bronze.files() if "_runs" not in name and Path(name).name not in complete]


def test_kill_9_in_the_middle_then_again(database, bronze, many_ranges):
    run_sql(database, *BIG)
    table = configure(database, "big")
    process = start_process(database, bronze, "big", "run")
    deadline = time.monotonic() + LIMIT_SECONDS
    while not list(bronze.root.rglob("part-*.parquet")) and time.monotonic() < deadline:
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    left = incomplete_files(bronze, table)
    assert left
    assert bronze.manifest(table) is None
    bronze.ingest(database, table)
    assert ids(bronze, table) == EVERY_ID
    assert not set(left) & set(bronze.files())
    assert len(bronze.files()) == len(bronze.manifest(table).files) + 1


def test_kill_9_between_two_seals_is_completed_from_the_same_snapshot(database, bronze):
    run_sql(database, "CREATE TABLE a (id int)", "CREATE TABLE b (id int)", "INSERT INTO a VALUES (1)")
    tables = [configure(database, name) for name in "ab"]
    process = start_process(database, bronze, "a,b", "die_at_manifest")
    process.communicate(timeout=LIMIT_SECONDS)
    assert process.returncode == -signal.SIGKILL
    assert [bronze.manifest(table) is None for table in tables] == [False, True]
    run_sql(database, "INSERT INTO a VALUES (2)", "INSERT INTO b VALUES (3)")
    results = bronze.ingest(database, *tables)
    assert [(r.rows, r.kept) for r in results] == [(1, True), (0, True)]
    assert len({bronze.manifest(table).read_from.snapshot for table in tables}) == 1
    assert not [name for name in bronze.files() if name.endswith(".sealing")]


def test_a_file_size_limit_is_one_message_and_leaves_nothing(database, bronze):
    run_sql(database, *BIG)
    process = start_process(database, bronze, "big", "limit")
    output, _ = process.communicate(timeout=LIMIT_SECONDS)
    assert process.returncode == 1
    assert output.startswith("LakeError: ")
    assert "File too large" in output
    assert bronze.files() == []


def test_a_full_disk_is_one_message_and_leaves_nothing(database, bronze):
    run_sql(database, *BIG)
    table = configure(database, "big")

    class FullDisk(LocalLakeFiles):
        def open_output(self, path):
            super().open_output(path).close()
            return LocalOutput("/dev/full")

    bronze.lake = FullDisk()
    with pytest.raises(LakeError, match=r"No space left on device; hint: free space .* clear the ingest task"):
        bronze.ingest(database, table)
    assert bronze.files() == []
    bronze.lake = LocalLakeFiles()
    bronze.ingest(database, table)
    assert ids(bronze, table) == EVERY_ID


def kill(postgres: EmbeddedPostgres) -> None:
    """SIGKILL for the server and all its processes."""
    postmaster = postgres.process()
    if postmaster is not None:
        children = postmaster.children(recursive=True)
        postmaster.kill()
        for process in children:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs([postmaster, *children], 10)


def test_a_crash_after_a_run_loses_nothing_that_the_run_has_sealed(bronze):
    """With ``synchronous_commit = off`` the next transaction would get the number of a lost one."""
    root = new_folder_for_server_user("midnight-fault-")
    postgres = EmbeddedPostgres(
        root / "cluster",
        port=free_port(),
        password="secret-7",
        log=root / "log",
        settings={**DEMO_SETTINGS, "synchronous_commit": "off", "wal_writer_delay": "1s"},
    )
    try:
        server = postgres.start()
        run_sql(server, "CREATE TABLE t (id int PRIMARY KEY)", "CREATE TABLE s (id int PRIMARY KEY)", "CHECKPOINT")
        tables = [
            configure(server, "t", key=["id"], mode="incremental", cursor="xmin"),
            configure(server, "s", key=["id"]),
        ]
        for day, number in ((1, 100), (2, 200)):
            run_sql(server, f"INSERT INTO t VALUES ({number})", f"INSERT INTO s VALUES ({number})")
            bronze.ingest(server, *tables, batch_id=batch_of_day(day))
            assert [bronze.rows(table)[-1] for table in tables] == [(number,), (number,)]
            if day == 1:
                kill(postgres)
                postgres.start()
                assert fetch(server, "SELECT max(id) FROM public.t") == [(number,)]
    finally:
        postgres.remove()
        shutil.rmtree(root)


@needs_postgres(14, "a table that is read in ranges")
def test_a_killed_server_in_the_middle_then_again(bronze, many_ranges):
    root = new_folder_for_server_user("midnight-fault-")
    postgres = EmbeddedPostgres(root / "cluster", port=free_port(), password="secret-7", log=root / "log")
    try:
        server = postgres.start()
        run_sql(server, *BIG)
        table = configure(server, "big")
        group = bronze.group(address_of(server), table)

        def kill_server(line):
            kill(postgres)

        with pytest.raises(SourceError, match=r"was lost while public\.big was read.*clear the ingest task") as caught:
            asyncio.run(dataclasses.replace(group, log=kill_server).run())
        assert "secret-7" not in str(caught.value)
        assert incomplete_files(bronze, table) == []
        postgres.start()
        bronze.ingest(server, table)
        assert ids(bronze, table) == EVERY_ID
    finally:
        postgres.remove()
        shutil.rmtree(root)


@needs_postgres(14, "a table that is read in ranges")
def test_a_terminated_session_and_a_cancelled_statement(database, bronze, many_ranges):
    run_sql(database, *BIG)
    table = configure(database, "big")

    def against_readers(function):
        run_sql(
            database,
            f"SELECT {function}(pid) FROM pg_stat_activity WHERE application_name = 'midnight' "
            "AND datname = current_database()",
        )

    group = bronze.group(address_of(database), table)
    ended = dataclasses.replace(group, log=lambda line: against_readers("pg_terminate_backend"))
    with pytest.raises(SourceError, match=r"while public\.big was read"):
        asyncio.run(ended.run())
    assert incomplete_files(bronze, table) == []


def test_a_killed_task_stops_reading_and_cleans_up(database, bronze, many_ranges):
    run_sql(database, *BIG)
    table = configure(database, "big")
    operator = PostgresToBronzeOperator(task_id="ingest", group="main")
    group = dataclasses.replace(bronze.group(address_of(database), table), log=lambda line: operator.on_kill())
    with pytest.raises(SourceError, match=r"reading was stopped \(SIGTERM\); nothing was sealed"):
        asyncio.run(operator._run_until_killed(group))
    assert incomplete_files(bronze, table) == []
    operator.on_kill()  # nothing runs any more
