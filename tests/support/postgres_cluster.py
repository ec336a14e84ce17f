"""A PostgreSQL cluster of a test's own, which can be stopped, copied, promoted, or get another transaction counter."""

from __future__ import annotations

import contextlib
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg

from cli.postgres.embedded import DEMO_SETTINGS, EmbeddedPostgres, Server, free_port
from cli.postgres.location import as_server_user, locate, new_folder_for_server_user

_IDS_PER_FILE = 2**20  # of pg_xact, 32 pages of 32,768


class Cluster:
    """A running cluster; see ``own_cluster``.

    Args:
        root: a folder of the server's user.
        name: of the cluster in it.
        password: of the superuser.
    """

    def __init__(self, root: Path, name: str, password: str) -> None:
        self._root, self._password = root, password
        settings = {**DEMO_SETTINGS, "shared_buffers": "32MB", "autovacuum": "off"}
        folder = root / name
        self._postgres = EmbeddedPostgres(
            folder, port=free_port(), password=password, log=root / f"{name}.log", settings=settings
        )

    def start(self) -> Server:
        return self._postgres.start()

    @property
    def server(self) -> Server:
        return self._postgres.server

    def stop(self) -> None:
        self._postgres.stop()

    def run(self, program: str, *arguments: str) -> str:
        """Run one of PostgreSQL's programs as the server's user; what it printed."""
        location = locate(self._postgres.folder)
        done = subprocess.run(
            [location.binaries / program, *arguments],
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            env={"LC_ALL": "C", "PGPASSWORD": self._password, "PATH": "/usr/bin:/bin"},
            **as_server_user(),
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def freeze(self) -> None:
        """Freeze every row of every database, so that the counter may go on by up to two thousand million."""
        with psycopg.connect(self.server.dsn, autocommit=True) as connection:
            connection.execute("ALTER DATABASE template0 ALLOW_CONNECTIONS true")
            names = [row[0] for row in connection.execute("SELECT datname FROM pg_database").fetchall()]
        for name in names:
            dsn = self.server.dsn.rpartition("/")[0] + f"/{name}"
            with psycopg.connect(dsn, autocommit=True) as connection:
                connection.execute("VACUUM FREEZE")

    def set_next_transaction(self, number: int) -> None:
        """Stop, set the next transaction id (64 bits; rounded to the begin of a file), and start again."""
        self.freeze()
        self.stop()
        data = str(locate(self._postgres.folder).data)
        low = number % 2**32 // _IDS_PER_FILE * _IDS_PER_FILE
        self.run("pg_resetwal", "-D", data, "-x", str(low), "-e", str(number // 2**32))
        self.start()

    def copy_as_standby(self, name: str) -> Cluster:
        """A hot standby of this cluster, started."""
        standby = Cluster(self._root, name, self._password)
        data = locate(standby._postgres.folder).data
        server = self.server
        address = f"host={server.host} port={server.port} user={server.user} password={self._password}"
        self.run("pg_basebackup", "-D", str(data), "-R", "-X", "stream", "-c", "fast", "-d", address)
        standby.start()
        return standby


@contextlib.contextmanager
def own_clusters() -> Iterator[list[Cluster]]:
    """One running cluster; those that are added to the list end with the block, too."""
    root = new_folder_for_server_user("midnight-cluster-")
    clusters = [Cluster(root, "first", secrets.token_urlsafe(16))]
    try:
        clusters[0].start()
        yield clusters
    finally:
        for cluster in reversed(clusters):
            cluster.stop()
        shutil.rmtree(root)
