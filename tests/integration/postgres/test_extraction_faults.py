"""Faults during extraction (kill, full disk, hang, refusal): no partial batch is visible, and a retry is correct."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace

import psutil
import psycopg
import pytest

from cli.postgres.embedded import EmbeddedPostgres, Server, free_port
from cli.postgres.location import new_folder_for_server_user
from midnight.errors import NON_RETRYABLE_ERRORS, LakeError, SourceError, SourceMismatchError, SourceTimeoutError
from midnight.lake.files import LocalLakeFiles, LocalOutput
from midnight.postgres_to_bronze import page_ranges, source_settings
from midnight.postgres_to_bronze.source_errors import source_error
from midnight.postgres_to_bronze.source_settings import SESSION_SETTINGS
from midnight.settings import REPOSITORY
from midnight_airflow.operators.postgres_to_bronze import PostgresToBronzeOperator
from tests.support.ingest_run import BronzeFolder, address_of, configure, run_sql

BIG = (
    "CREATE TABLE big (id int PRIMARY KEY, filler text)",
    "INSERT INTO big SELECT i, md5(i::text) || repeat('x', 200) FROM generate_series(1, 40000) i",
)
EVERY_ID = list(range(1, 40001))


@pytest.fixture
def bronze(tmp_path):
    return BronzeFolder(tmp_path / "lake")


@pytest.fixture
def many_ranges(monkeypatch):
    monkeypatch.setattr(page_ranges, "SMALLEST_RANGE_PAGES", 50)


@pytest.fixture
def reader(database) -> Iterator[Server]:
    """A role without any permission yet; its password must never be shown."""
    name, password = f"reader_{secrets.token_hex(4)}", f"pass%word/{secrets.token_hex(4)}"
    run_sql(database, f"CREATE ROLE {name} LOGIN PASSWORD '{password}'")
    yield dataclasses.replace(database, user=name, password=password)
    run_sql(database, f"DROP OWNED BY {name}", f"DROP ROLE {name}")


def start_process(server: Server, bronze: BronzeFolder, tables: str, what: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.support.extract_then_die", server.dsn, str(bronze.root), tables, what],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": f"{REPOSITORY}{os.pathsep}{REPOSITORY / 'plugins'}"},
        stdout=subprocess.PIPE,
        text=True,
    )


def ids(bronze, table):
    return sorted(bronze.read(table)["id"].to_pylist())


def test_kill_9_in_the_middle_then_again(database, bronze, many_ranges):
    run_sql(database, *BIG)
    table = configure(database, "big")
    process = start_process(database, bronze, "big", "run")
    deadline = time.monotonic() + 60
    while not list(bronze.root.rglob("part-*.parquet")) and time.monotonic() < deadline:
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    left = bronze.files()
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
    process.communicate(timeout=60)
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
    output, _ = process.communicate(timeout=60)
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


def test_a_killed_server_in_the_middle_then_again(bronze, many_ranges):
    root = new_folder_for_server_user("midnight-fault-")
    postgres = EmbeddedPostgres(root / "cluster", port=free_port(), password="secret-7", log=root / "log")
    try:
        server = postgres.start()
        run_sql(server, *BIG)
        table = configure(server, "big")
        group = bronze.group(address_of(server), table)

        def kill_server(line):
            postmaster = postgres.process()
            if postmaster is not None:
                children = postmaster.children(recursive=True)
                postmaster.kill()
                for process in children:
                    with contextlib.suppress(psutil.NoSuchProcess):
                        process.kill()
                psutil.wait_procs([postmaster, *children], 10)

        with pytest.raises(SourceError, match=r"was lost while public\.big was read.*clear the ingest task") as caught:
            asyncio.run(dataclasses.replace(group, log=kill_server).run())
        assert "secret-7" not in str(caught.value)
        assert bronze.files() == []
        postgres.start()
        bronze.ingest(server, table)
        assert ids(bronze, table) == EVERY_ID
    finally:
        postgres.remove()
        shutil.rmtree(root)


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
    assert bronze.files() == []


def test_a_timeout_of_the_role_does_not_apply_to_our_sessions(database, reader, bronze):
    run_sql(
        database,
        "CREATE TABLE small (id int PRIMARY KEY)",
        "INSERT INTO small SELECT generate_series(1, 100)",
        "CREATE VIEW slow AS SELECT id, pg_sleep(0.01) IS NULL AS x FROM small",
        f"GRANT SELECT ON slow TO {reader.user}",
        f"ALTER ROLE {reader.user} IN DATABASE {database.database} SET statement_timeout = '200ms'",
        f"ALTER ROLE {reader.user} SET transaction_timeout = '500ms'",
        f"ALTER DATABASE {database.database} SET default_transaction_isolation = 'serializable'",
    )
    (result,) = bronze.ingest(reader, configure(database, "slow"))
    assert result.rows == 100


def test_a_timeout_that_a_pool_brings_back_is_not_retried_and_names_the_command(database, reader, bronze, monkeypatch):
    """A pool in transaction mode gives the query another server session than the one that has our settings."""
    run_sql(
        database,
        "CREATE VIEW slow AS SELECT id, pg_sleep(0.01) IS NULL AS x FROM generate_series(1, 100) AS id",
        f"GRANT SELECT ON slow TO {reader.user}",
        f"ALTER ROLE {reader.user} SET statement_timeout = '300ms'",
    )
    slow = configure(database, "slow")
    monkeypatch.setitem(source_settings._SINCE_VERSION, "statement_timeout", 99)
    command = f'ALTER ROLE "{reader.user}" IN DATABASE "{reader.database}" SET statement_timeout = \'0\''
    with pytest.raises(SourceTimeoutError, match=f"by its statement_timeout; hint: run {command}") as caught:
        bronze.ingest(reader, slow)
    assert isinstance(caught.value, NON_RETRYABLE_ERRORS)
    assert bronze.files() == []


def broken_logins(server: Server) -> list[tuple[Server, str]]:
    return [
        (dataclasses.replace(server, port=free_port()), "cannot be reached.*check that it runs"),
        (dataclasses.replace(server, host="no-such-host.invalid"), "cannot be reached"),
        (dataclasses.replace(server, password="wrong&secret"), "correct the password of user 'postgres'"),
        (dataclasses.replace(server, database="nowhere"), "correct the database in the connection 'midnight_source'"),
        (dataclasses.replace(server, user="nobody_here"), "password of user 'nobody_here'"),
    ]


def test_a_failed_login_names_what_to_correct_and_no_password(database, bronze):
    run_sql(database, "CREATE TABLE t (a int)")
    table = configure(database, "t")
    for login, expected in broken_logins(database):
        with pytest.raises(SourceError, match=expected) as caught:
            bronze.ingest(login, table)
        chain = ""
        error: BaseException | None = caught.value
        while error is not None:
            chain, error = f"{chain}{error!r}{error}", error.__cause__ or error.__context__
        assert login.password not in chain
    assert bronze.files() == []


def test_a_database_without_connect_permission_names_the_missing_grant(database, reader, bronze):
    run_sql(database, "CREATE TABLE t (a int)", f"REVOKE CONNECT ON DATABASE {database.database} FROM PUBLIC")
    run_sql(database, f"REVOKE CONNECT ON DATABASE {database.database} FROM {reader.user}")
    expected = f"run GRANT CONNECT ON DATABASE {database.database} TO {reader.user}"
    with pytest.raises(SourceError, match=expected):
        bronze.ingest(reader, configure(database, "t"))


def test_a_driver_that_repeats_the_password_is_masked(database):
    login = dataclasses.replace(database, password="p%ss/word")
    for repeated in ("p%ss/word", "p%25ss%2Fword"):
        for table in ("", "public.t"):
            found = str(source_error(OSError(f"postgresql://u:{repeated}@h/d"), address_of(login), table))
            assert "postgresql://u:***@h/d" in found


def test_a_server_that_does_not_answer(database, bronze, monkeypatch):
    monkeypatch.setattr("midnight.postgres_to_bronze.source_connection.CONNECT_TIMEOUT_SECONDS", 0.3)
    run_sql(database, "CREATE TABLE t (a int)")
    table = configure(database, "t")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        login = dataclasses.replace(database, port=silent.getsockname()[1])
        with pytest.raises(SourceError, match="cannot be reached"):
            bronze.ingest(login, table)


def stalling(target: int, after_bytes: int) -> socket.socket:
    """A proxy that passes so many bytes of each connection on and then keeps it open without sending."""
    listener = socket.create_server(("127.0.0.1", 0))
    forever = []

    def copy(source: socket.socket, sink: socket.socket, limit: float) -> None:
        with contextlib.suppress(OSError):
            while limit > 0 and (piece := source.recv(65536)):
                sink.sendall(piece)
                limit -= len(piece)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                client, server = listener.accept()[0], socket.create_connection(("127.0.0.1", target))
                forever.extend([client, server])
                for pair in ((client, server, float("inf")), (server, client, after_bytes)):
                    threading.Thread(target=copy, args=pair, daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return listener


def test_an_idle_connection_times_out(database, bronze, monkeypatch):
    monkeypatch.setattr("midnight.postgres_to_bronze.copy_stream.IDLE_TIMEOUT_SECONDS", 0.6)
    run_sql(database, *BIG)
    table = configure(database, "big")
    with stalling(database.port, 300_000) as listener:
        login = dataclasses.replace(database, port=listener.getsockname()[1])
        with pytest.raises(
            SourceError, match=r"while public\.big was read: it sent nothing for 0\.01 minutes; nothing of"
        ):
            bronze.ingest(login, table)
    assert bronze.files() == []


def test_all_problems_are_reported_at_once(database, reader, bronze):
    run_sql(
        database,
        "CREATE TABLE good (a int)",
        "CREATE TABLE gone (a int)",
        "CREATE TABLE changed (first int, second int, third int)",
        "CREATE TABLE forbidden (a int)",
        "CREATE TABLE policies (a int)",
        "ALTER TABLE policies ENABLE ROW LEVEL SECURITY",
        f"GRANT SELECT ON good, changed, policies TO {reader.user}",
    )
    tables = [configure(database, name) for name in ("good", "gone", "changed", "forbidden", "policies")]
    run_sql(
        database,
        "DROP TABLE gone",
        "ALTER TABLE changed RENAME second TO seconds",
        "ALTER TABLE changed ALTER third TYPE bigint",
    )
    with pytest.raises(SourceMismatchError) as caught:
        bronze.ingest(reader, *tables)
    for expected in (
        "the source has no table or view public.gone; hint: correct tables/public.gone.yml, or delete it if ",
        "public.changed has no column 'second' (it has 'seconds'); hint: correct or delete it",
        "column 'third' is bigint in the source, but 'integer' in tables/public.changed.yml; hint: correct its type",
        f'{reader.user} may not read public.forbidden; hint: run GRANT USAGE ON SCHEMA "public" TO {reader.user};',
        f"a row policy of public.policies would hide rows from {reader.user}; hint: run ALTER ROLE {reader.user}",
    ):
        assert expected in str(caught.value)
    assert reader.password not in str(caught.value)
    assert isinstance(caught.value, NON_RETRYABLE_ERRORS)
    with pytest.raises(SourceError, match=r"no table or view public\.gone") as missing:
        bronze.ingest(reader, tables[1])
    assert not isinstance(missing.value, NON_RETRYABLE_ERRORS), "the table may be one that is being replaced"
    assert bronze.files() == []


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


def test_a_killed_task_stops_reading_and_cleans_up(database, bronze, many_ranges):
    run_sql(database, *BIG)
    table = configure(database, "big")
    operator = PostgresToBronzeOperator(task_id="ingest", group="main")
    group = dataclasses.replace(bronze.group(address_of(database), table), log=lambda line: operator.on_kill())
    with pytest.raises(SourceError, match=r"stopped from outside \(SIGTERM\); nothing of it was sealed"):
        asyncio.run(operator._run_until_killed(group))
    assert bronze.files() == []
    operator.on_kill()  # nothing runs any more


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

    with pytest.raises(Exception, match=r"missing|cannot be written"):
        asyncio.run(dataclasses.replace(zombie, log=second_try).run())
    assert seen.rows == len(EVERY_ID)
    assert ids(bronze, table) == EVERY_ID
