"""A temporary, empty PostgreSQL server for tests and benchmarks."""

from __future__ import annotations

import contextlib
import secrets
import shutil
from collections.abc import Iterator, Mapping

from cli.postgres.embedded import DEMO_SETTINGS, EmbeddedPostgres, Server, free_port
from cli.postgres.location import new_folder_for_server_user


@contextlib.contextmanager
def temporary_server(settings: Mapping[str, str] | None = None) -> Iterator[Server]:
    """A server with an empty cluster for as long as the ``with`` block lasts; leaves neither a process nor a file.

    Args:
        settings: ``postgresql.conf`` settings on top of the demo's, for example ``{"wal_level": "logical"}``.
    """
    root = new_folder_for_server_user("midnight-postgres-")
    postgres = EmbeddedPostgres(
        root / "cluster",
        port=free_port(),
        password=secrets.token_urlsafe(16),
        log=root / "postgres.log",
        settings={**DEMO_SETTINGS, "shared_buffers": "128MB", **(settings or {})},
    )
    try:
        yield postgres.start()
    finally:
        postgres.remove()
        shutil.rmtree(root)
