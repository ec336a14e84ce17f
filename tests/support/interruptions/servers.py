"""The servers of the faults: a primary, a standby of it when it is needed, and a role that may only read."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from typing import Any, Literal

import psutil
import psycopg

from cli.postgres.embedded import DEMO_SETTINGS, EmbeddedPostgres, Server, free_port
from cli.postgres.location import as_server_user, locate, new_folder_for_server_user
from tests.support.waiting import LIMIT_SECONDS

Stop = Literal["fast", "immediate", "kill -9"]
_SETTINGS = {**DEMO_SETTINGS, "shared_buffers": "64MB", "max_wal_size": "256MB"}
# A query of the standby that needs rows which VACUUM has removed is cancelled at once.
_STANDBY = {**_SETTINGS, "max_standby_streaming_delay": "0", "hot_standby_feedback": "off"}
READER = "midnight_reader"


class Servers:
    """A primary of its own for as long as the ``with`` block of ``running`` lasts.

    Attributes:
        primary: login of the superuser; the database ``postgres``.
        reader_password: of the role that reads.
    """

    def __init__(self) -> None:
        self._root = new_folder_for_server_user("midnight-interruptions-")
        self._password, self.reader_password = secrets.token_hex(8), secrets.token_hex(8)
        self._postgres = self._cluster("primary", _SETTINGS)
        self._standby: EmbeddedPostgres | None = None
        self.primary = self._postgres.server

    @contextlib.contextmanager
    def running(self) -> Iterator[Servers]:
        try:
            self._postgres.start()
            with self.connect() as connection:
                connection.execute(f"CREATE ROLE {READER} LOGIN PASSWORD '{self.reader_password}'")
            yield self
        finally:
            for cluster in filter(None, [self._standby, self._postgres]):
                cluster.remove()
            shutil.rmtree(self._root, ignore_errors=True)

    def _cluster(self, name: str, settings: dict[str, str]) -> EmbeddedPostgres:
        folder, log = self._root / name, self._root / f"{name}.log"
        return EmbeddedPostgres(folder, port=free_port(), password=self._password, log=log, settings=settings)

    def connect(self, database: str = "postgres", server: Server | None = None) -> psycopg.Connection[Any]:
        """A session of the superuser, with autocommit."""
        login = dataclasses.replace(server or self.primary, database=database)
        return psycopg.connect(login.dsn, autocommit=True)

    def reader(self, database: str, *, port: int | None = None) -> Server:
        """Login of the role that reads."""
        return Server("127.0.0.1", port or self.primary.port, READER, self.reader_password, database)

    def restart(self, how: Stop) -> None:
        """Stop the primary and start it again at once."""
        postmaster = self._postgres.process()
        if postmaster is not None:
            _stop(postmaster, how)
        self._postgres.start()

    @property
    def standby(self) -> Server:
        """Login of the superuser at a hot standby; made at the first use."""
        if self._standby is None:
            cluster = self._cluster("standby", _STANDBY)
            location = locate(cluster.folder)
            subprocess.run(
                [location.binaries / "pg_basebackup", "-D", location.data, "-d", self.primary.dsn, "-R", "-c", "fast"],
                env={**os.environ, "LC_ALL": "C"},
                cwd="/",
                check=True,
                capture_output=True,
                **as_server_user(),
            )
            location.data.chmod(0o700)
            cluster.start()
            self._standby = cluster
        self.catch_up()
        return self._standby.server

    def catch_up(self) -> None:
        """Wait until the standby, if there is one, shows what the primary shows now."""
        if self._standby is None:
            return
        with self.connect() as primary:
            lsn = primary.execute("SELECT pg_current_wal_flush_lsn()").fetchone()
        deadline = time.monotonic() + LIMIT_SECONDS
        while time.monotonic() < deadline:
            with (
                contextlib.suppress(psycopg.OperationalError),
                self.connect(server=self._standby.server) as standby,
            ):
                found = standby.execute("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", lsn).fetchone()
                if found and found[0]:
                    return
            time.sleep(0.02)
        raise TimeoutError("the standby does not catch up")


def _stop(postmaster: psutil.Process, how: Stop) -> None:
    children = postmaster.children(recursive=True)
    if how == "kill -9":
        for process in (postmaster, *children):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
    else:
        postmaster.send_signal(signal.SIGINT if how == "fast" else signal.SIGQUIT)
    psutil.wait_procs([postmaster, *children], 30)
