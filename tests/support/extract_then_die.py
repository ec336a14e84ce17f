"""Ingests a table in a process of its own, which a test kills or limits.

Arguments: source address, lake folder, table names with commas, and what happens:
``run``, ``die_at_manifest`` (kill -9 of itself before the second manifest) or ``limit`` (files of at most 50 kB).
"""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from cli.postgres.embedded import Server
from midnight.errors import MidnightError
from midnight.lake.files import LocalLakeFiles
from midnight.postgres_to_bronze import page_ranges
from midnight.postgres_to_bronze.source_address import SourceAddress
from tests.support.ingest_run import BronzeFolder, configure

page_ranges.SMALLEST_RANGE_PAGES = 50


def main() -> int:
    address = SourceAddress.from_uri(sys.argv[1])
    bronze, names, what = BronzeFolder(Path(sys.argv[2])), sys.argv[3].split(","), sys.argv[4]
    server = Server(address.host, address.port, address.user, address.password, address.database)
    tables = [configure(server, name) for name in names]
    if what == "limit":
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
    if what == "die_at_manifest":
        write_new, manifests, one_at_a_time = LocalLakeFiles.write_new, [], threading.Lock()

        def write_or_die(lake: LocalLakeFiles, path: str, text: str) -> None:
            with one_at_a_time:
                manifests.extend([path] if path.endswith("_manifest.json") else [])
                if len(manifests) == 2:
                    os.kill(os.getpid(), signal.SIGKILL)
                write_new(lake, path, text)

        lake_class: Any = LocalLakeFiles  # its method is replaced
        lake_class.write_new = write_or_die
    try:
        asyncio.run(bronze.group(address, *tables).run())
    except MidnightError as error:
        print(f"{type(error).__name__}: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
