"""Debian's PostgreSQL 15, where it is installed: an older server, with the extensions that the embedded one lacks."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from cli.postgres.embedded import Server, free_port
from cli.postgres.location import as_server_user, new_folder_for_server_user

BINARIES = Path("/usr/lib/postgresql/15/bin")


@contextlib.contextmanager
def debian_server() -> Iterator[Server]:
    """A server with an empty cluster for as long as the ``with`` block lasts; leaves neither a process nor a file."""
    root, port = new_folder_for_server_user("midnight-postgres-"), free_port()
    data = root / "data"

    def run(program: str, *arguments: str) -> None:
        command = [str(BINARIES / program), "-D", str(data), *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=root, **as_server_user())

    try:
        run("initdb", "--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync")
        options = f"-p {port} -k {root} -c listen_addresses=127.0.0.1 -c fsync=off -c shared_buffers=16MB"
        run("pg_ctl", "start", "-w", "-l", str(root / "log"), "-o", options)
        try:
            yield Server(host="127.0.0.1", port=port, user="postgres", password="", database="postgres")
        finally:
            run("pg_ctl", "stop", "-m", "immediate")
    finally:
        shutil.rmtree(root)
