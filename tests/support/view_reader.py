"""Asks Synapse through the real driver, in a process of its own.

The driver holds Python's lock while it waits for rows, so the fake service that sends them cannot run in its process.

    python -m tests.support.view_reader < request.json       {"server": {…}, "queries": {name: SQL}}; writes a pickle
"""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict
from typing import Any

from midnight.settings import python_path
from midnight.synapse.connection import SynapseServer, connect
from tests.support.waiting import LIMIT_SECONDS


def ask(server: SynapseServer, queries: Mapping[str, str]) -> dict[str, list[tuple[Any, ...]]]:
    """The rows of each query, by its name."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.view_reader"],
        input=json.dumps({"server": asdict(server), "queries": dict(queries)}).encode(),
        env={**os.environ, "PYTHONPATH": python_path()},
        stdout=subprocess.PIPE,
        check=True,
        timeout=LIMIT_SECONDS,
    )
    return pickle.loads(done.stdout)  # noqa: S301 - our own process wrote it


def main() -> None:
    request = json.load(sys.stdin)
    found = {}
    with closing(connect(SynapseServer(**request["server"]))) as connection, connection.cursor() as cursor:
        for name, query in request["queries"].items():
            found[name] = [tuple(row) for row in cursor.execute(query).fetchall()]
    sys.stdout.buffer.write(pickle.dumps(found))


if __name__ == "__main__":
    main()
