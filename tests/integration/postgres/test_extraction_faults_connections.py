"""Faults of the source's connections during extraction (login, timeout, no answer): a clear message, and no batch."""

from __future__ import annotations

import contextlib
import dataclasses
import secrets
import socket
import threading
from collections.abc import Iterator

import pytest

from cli.postgres.embedded import Server, free_port
from midnight.errors import NON_RETRYABLE_ERRORS, SourceError, SourceMismatchError, SourceTimeoutError
from midnight.postgres_to_bronze import source_settings
from midnight.postgres_to_bronze.source_errors import source_error
from tests.support.big_table import BIG
from tests.support.ingest_run import address_of, configure, run_sql
from tests.support.other_postgres import version_of_postgres


@pytest.fixture
def reader(database) -> Iterator[Server]:
    """A role without any permission yet; its password must never be shown."""
    name, password = f"reader_{secrets.token_hex(4)}", f"pass%word/{secrets.token_hex(4)}"
    run_sql(database, f"CREATE ROLE {name} LOGIN PASSWORD '{password}'")
    yield dataclasses.replace(database, user=name, password=password)
    run_sql(database, f"DROP OWNED BY {name}", f"DROP ROLE {name}")


def test_a_timeout_of_the_role_does_not_apply_to_our_sessions(database, reader, bronze):
    timeout = "transaction_timeout" if version_of_postgres() >= 17 else "idle_in_transaction_session_timeout"
    run_sql(
        database,
        "CREATE TABLE small (id int PRIMARY KEY)",
        "INSERT INTO small SELECT generate_series(1, 100)",
        "CREATE VIEW slow AS SELECT id, pg_sleep(0.01) IS NULL AS x FROM small",
        f"GRANT SELECT ON slow TO {reader.user}",
        f"ALTER ROLE {reader.user} IN DATABASE {database.database} SET statement_timeout = '200ms'",
        f"ALTER ROLE {reader.user} SET {timeout} = '500ms'",
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


@pytest.mark.parametrize("after_bytes", [700, 5_000], ids=["settings", "catalogue"])
def test_a_statement_without_an_answer_times_out(database, bronze, monkeypatch, after_bytes):
    """A pool or a hung server may keep the connection open; keepalive does not notice it."""
    monkeypatch.setattr("midnight.postgres_to_bronze.source_connection.STATEMENT_TIMEOUT_SECONDS", 0.6)
    run_sql(database, "CREATE TABLE t (a int)")
    table = configure(database, "t")
    with stalling(database.port, after_bytes) as listener:
        login = dataclasses.replace(database, port=listener.getsockname()[1])
        with pytest.raises(SourceError, match="no answer came in time"):
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
        "ALTER TABLE changed ALTER third TYPE text",
    )
    with pytest.raises(SourceMismatchError) as caught:
        bronze.ingest(reader, *tables, batch_id="b1")
    for expected in (
        "the source has no table or view public.gone; hint: correct tables/public.gone.yml, or delete it if ",
        "public.changed has no column 'second' (it has 'seconds'); hint: correct or delete it",
        "column 'third' is text in the source, but 'integer' in tables/public.changed.yml; hint: correct its type",
        f'{reader.user} may not read public.forbidden; hint: run GRANT USAGE ON SCHEMA "public" TO {reader.user};',
        f"a row policy of public.policies would hide rows from {reader.user}; hint: run ALTER ROLE {reader.user}",
    ):
        assert expected in str(caught.value)
    assert reader.password not in str(caught.value)
    assert isinstance(caught.value, NON_RETRYABLE_ERRORS)
    assert [bool(bronze.store.read_manifest(table, "b1")) for table in tables] == [True, False, False, False, False]
