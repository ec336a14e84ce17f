"""PostgreSQL to bronze in Azurite and in a local folder, and Azurite's own limit: the same bytes by the SDK alone.

Azurite is a stand-in in JavaScript on the same processor: its speed does not predict Azure's, but the difference to
the SDK's own upload is the cost of our code. Every variant runs in a fresh process; the result is the median of the
ratios of all rounds.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.orders import CONNECTIONS, ROWS, in_fresh_process, orders_server
from benchmarks.results import print_table

ROUNDS = 3
ACCOUNT = "midnightlake"
LOCAL, ZSTD, AZURE, SDK = "local folder (LZ4)", "local folder (zstd)", "Azurite (zstd)", "the SDK alone, same bytes"


def main() -> None:
    """Print seconds, ratios and peak memory of each variant."""
    from tests.fakes.azurite import running_azurite

    results: dict[str, list[dict[str, float]]] = {name: [] for name in (LOCAL, ZSTD, AZURE, SDK)}
    with orders_server() as (dsn, connection), tempfile.TemporaryDirectory() as folder:
        for number in range(ROUNDS):
            connection.execute("COPY orders TO '/dev/null' (FORMAT binary)")
            for name, measured in results.items():
                target = f"{folder}/{'zstd' if name in {ZSTD, SDK} else 'out'}"
                with running_azurite(account=ACCOUNT) as azurite:
                    azurite.make_containers()
                    measured.append(
                        in_fresh_process(
                            "azure_lake",
                            [name, target],
                            {"MIDNIGHT_BENCHMARK_DSN": dsn, "MIDNIGHT_BENCHMARK_LAKE": azurite.connection_string()},
                        )
                    )
            for made in ("zstd", "out"):
                shutil.rmtree(f"{folder}/{made}")
            line = "  ".join(f"{name} {results[name][-1]['seconds']:.2f} s" for name in results)
            print(f"round {number + 1}: {line}  (load {os.getloadavg()[0]:.1f})", flush=True)
    print(f"\n{ROWS:,} rows, 10 columns, {CONNECTIONS} connections, {os.cpu_count()} cores, {ROUNDS} rounds")
    rows = []
    for name, runs in results.items():
        ratio = statistics.median(r["seconds"] / base["seconds"] for r, base in zip(runs, results[LOCAL], strict=True))
        rows.append(
            [
                f"{name} (reference)" if name == LOCAL else name,
                f"{statistics.median(r['seconds'] for r in runs):.2f} s",
                f"{ratio:.2f} x",
                f"+{max(r['megabytes'] for r in runs):.0f} MB",
                f"{statistics.median(r['processor'] for r in runs):.2f} s",
                f"{runs[-1]['written']:.0f} MB",
            ]
        )
    print_table(["variant", "median", "to reference", "peak memory", "processor", "written"], rows)


def _measure(name: str, target: str) -> None:
    run, written = _prepare_sdk(target) if name == SDK else _prepare_ingest(name, target)
    base, processor, started = _peak_megabytes(), time.process_time(), time.perf_counter()
    run()
    result = {
        "seconds": time.perf_counter() - started,
        "processor": time.process_time() - processor,
        "megabytes": _peak_megabytes() - base,
        "written": written() / 1e6,
    }
    print(json.dumps(result))


def _peak_megabytes() -> float:
    """Of this process only; ``getrusage`` counts the parent before exec."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def _prepare_ingest(name: str, target: str) -> Any:
    from midnight.bronze.batches import BronzeStore
    from midnight.configuration.columns import Column
    from midnight.configuration.source import LoadGroup
    from midnight.configuration.tables import Table
    from midnight.lake.azure.credential import LakeCredential
    from midnight.lake.azure.files import AzureLakeFiles
    from midnight.lake.files import LocalLakeFiles
    from midnight.lake.paths import LakePaths
    from midnight.postgres_to_bronze.load_group import GroupIngest
    from midnight.postgres_to_bronze.source_address import SourceAddress

    lake: Any = LocalLakeFiles()
    paths = LakePaths.below(target)
    if name == ZSTD:
        lake.parquet_compression = "zstd"
    if name == AZURE:
        credential = LakeCredential(connection_string=os.environ["MIDNIGHT_BENCHMARK_LAKE"])
        lake, paths = AzureLakeFiles(ACCOUNT, credential), LakePaths.in_account(ACCOUNT)
        lake.write_text(f"{paths.bronze}/warm", "")
    Path(target).mkdir(exist_ok=True)
    bronze = BronzeStore(lake, paths, "benchmark")
    table = Table(schema="public", table="orders", silver="orders", columns=(Column(name="id", type="bigint"),))
    ingest = GroupIngest(
        address=SourceAddress.from_uri(os.environ["MIDNIGHT_BENCHMARK_DSN"]),
        bronze=bronze,
        tables=[table],
        group=LoadGroup(name="main", connections=CONNECTIONS),
        batch_id="batch",
        run_id="benchmark",
        log=lambda line: None,
    )

    def written() -> int:
        manifest = bronze.newest_sealed_batch(table)
        return sum(file.bytes for file in manifest.files) if manifest else 0

    return lambda: asyncio.run(ingest.run()), written


def _prepare_sdk(target: str) -> Any:
    """The same files, from memory, four blocks of 8 MB at once."""
    from azure.storage.blob import BlobServiceClient

    contents = [path.read_bytes() for path in sorted(Path(target).rglob("part-*.parquet"))]
    options: dict[str, Any] = {"max_block_size": 8 << 20, "max_single_put_size": 8 << 20}
    service = BlobServiceClient.from_connection_string(os.environ["MIDNIGHT_BENCHMARK_LAKE"], **options)
    container = service.get_container_client("bronze")
    container.upload_blob("warm", b"")

    def upload(number: int) -> None:
        container.upload_blob(f"part-{number}", contents[number], max_concurrency=2)

    def run() -> None:
        with ThreadPoolExecutor(2) as threads:
            list(threads.map(upload, range(len(contents))))

    return run, lambda: sum(map(len, contents))


if __name__ == "__main__":
    _measure(sys.argv[1], sys.argv[2])
