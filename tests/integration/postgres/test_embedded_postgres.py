"""The embedded PostgreSQL server: real processes, real folders."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import psutil
import psycopg
import pytest

from cli.postgres.embedded import EmbeddedPostgres, EmbeddedPostgresError, free_port
from cli.postgres.location import locate
from cli.postgres.temporary import temporary_server
from tests.support.other_postgres import of_the_embedded_server

pytestmark = of_the_embedded_server()


def query(server, sql):
    with psycopg.connect(server.dsn) as connection:
        return connection.execute(sql).fetchone()[0]


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "postgres"


@pytest.fixture
def postgres(folder, tmp_path):
    server = EmbeddedPostgres(folder, port=free_port(), password="secret-1", log=tmp_path / "postgres.log")
    yield server
    server.remove()


def test_a_fresh_database_is_utf8_and_empty(database):
    assert query(database, "SHOW server_encoding") == "UTF8"
    assert query(database, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 0
    assert query(database, "SELECT upper('é') || current_setting('server_version_num')").startswith("É18")


def test_the_server_requires_the_password_and_listens_on_loopback_only(postgres_server):
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(postgres_server.dsn.replace(postgres_server.password, "wrong"))
    assert query(postgres_server, "SHOW listen_addresses") == "127.0.0.1"
    assert query(postgres_server, "SHOW unix_socket_directories") == ""
    assert query(postgres_server, "SHOW password_encryption") == "scram-sha-256"


def test_the_password_is_not_shown(postgres_server):
    assert postgres_server.password not in repr(postgres_server)


def test_start_twice_uses_the_running_server_and_stop_ends_it(postgres):
    server = postgres.start()
    pid = postgres.process().pid
    postgres.start()
    assert postgres.process().pid == pid
    postgres.stop()
    postgres.stop()
    assert not psutil.pid_exists(pid)
    with socket.socket() as probe:
        assert probe.connect_ex((server.host, server.port)) != 0


def test_data_survives_a_killed_server_whose_pid_now_belongs_to_another_process(postgres, folder):
    server = postgres.start()
    with psycopg.connect(server.dsn) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS seven")
    process = postgres.process()
    process.kill()
    process.wait(10)
    pid_file = locate(folder).data / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    pid_file.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")  # the id is in use again: by this test
    assert postgres.process() is None
    assert query(postgres.start(), "SELECT seven FROM kept") == 7


def test_no_password_file_stays(postgres, folder):
    postgres.start()
    assert list(locate(folder).root.glob("*password*")) == []


def test_a_busy_port_is_reported_with_the_log(postgres):
    with socket.socket() as other:
        other.bind((postgres.server.host, postgres.server.port))
        other.listen()
        with pytest.raises(EmbeddedPostgresError, match="Address already in use"):
            postgres.start()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to change to another user")
def test_root_below_a_closed_folder_uses_a_temp_folder_and_leaves_the_closed_one_closed(tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    postgres = EmbeddedPostgres(closed / "postgres", port=free_port(), password="x", log=closed / "log")
    try:
        assert query(postgres.start(), "SELECT 1") == 1
        root = locate(closed / "postgres").root
        assert closed not in root.parents
        assert closed.stat().st_mode & 0o777 == 0o700
    finally:
        postgres.remove()
    assert not root.exists()
    assert not (closed / "postgres").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to change to another user")
def test_programs_that_the_server_user_cannot_run_are_copied(tmp_path, monkeypatch):
    import cli.postgres.location as module

    monkeypatch.setattr(module, "_server_user_can_run", lambda program: False)
    postgres = EmbeddedPostgres(tmp_path / "postgres", port=free_port(), password="x", log=tmp_path / "log")
    try:
        assert query(postgres.start(), "SELECT 1") == 1
        assert "programs" in Path(postgres.process().exe()).parts
    finally:
        postgres.remove()


def test_a_temporary_server_leaves_nothing():
    with temporary_server({"wal_level": "logical"}) as server:
        assert query(server, "SHOW wal_level") == "logical"
        data = Path(query(server, "SHOW data_directory"))
        assert data.is_dir()
    assert not data.parents[2].exists()
    with socket.socket() as probe:
        assert probe.connect_ex((server.host, server.port)) != 0
