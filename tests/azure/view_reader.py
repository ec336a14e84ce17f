"""Reads views through the real driver, in a process of its own: it holds Python's lock while it waits for rows, and the
stand-in that shall send them could not run beside it.

    python -m tests.azure.view_reader gold.dim_date … < server.json     writes a pickle {view: rows}
"""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Iterable
from contextlib import closing
from dataclasses import asdict
from typing import Any

from midnight.settings import REPOSITORY
from midnight.synapse_connection import SynapseServer, connect


def read_views(server: SynapseServer, views: Iterable[str]) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of each view."""
    code = os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "plugins")])
    done = subprocess.run(
        [sys.executable, "-m", "tests.azure.view_reader", *views],
        input=json.dumps(asdict(server)).encode(),
        env={**os.environ, "PYTHONPATH": code},
        stdout=subprocess.PIPE,
        check=True,
        timeout=300,
    )
    return pickle.loads(done.stdout)  # noqa: S301 - our own process wrote it


def main() -> None:
    server = SynapseServer(**json.load(sys.stdin))
    found = {}
    with closing(connect(server)) as connection, connection.cursor() as cursor:
        for view in sys.argv[1:]:
            found[view] = [tuple(row) for row in cursor.execute(f"SELECT * FROM {view}").fetchall()]
    sys.stdout.buffer.write(pickle.dumps(found))


if __name__ == "__main__":
    main()
