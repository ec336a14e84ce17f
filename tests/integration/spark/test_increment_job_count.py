"""What an increment costs on Apache Spark: how many jobs it runs, and which files it reads and rewrites."""

from __future__ import annotations

from pathlib import Path

import pytest
from deltalake import DeltaTable

from midnight.silver_to_gold.refresh.derive import refresh_plans
from spark_jobs.gold.run import build_gold
from spark_jobs.silver.run import build_silver
from tests.support.gold_models import model
from tests.support.incremental_source import IncrementalSource
from tests.support.incremental_tables import INCREMENTAL
from tests.support.query_counts import counted_queries
from tests.support.run_sequences.limits import refresh_anything
from tests.support.sealed_batches import counts, document, table

ORDERS = table("orders", {"id": "integer", "v": "text", "moved": "integer"}, **INCREMENTAL)
FACT = model(
    "fact",
    "SELECT id, v, moved FROM silver__orders",
    "id INT, v STRING, moved INT",
    ("id",),
    silver__orders="silver.orders",
)
MART = model(
    "mart",
    "SELECT v, count(*) AS orders FROM gold__fact GROUP BY v",
    "v STRING, orders BIGINT",
    ("v",),
    gold__fact="gold.fact",
)
MODELS = (FACT, MART)

BATCHES = 3
SILVER_JOBS = 10  # the comparison has two, the counts have one, `MERGE` has seven
GOLD_JOBS_PER_MODEL = 4


def orders(number: int, count: int = 50) -> list[dict[str, object]]:
    """Rows of one batch: new keys, above all earlier ones."""
    return [{"id": 1000 * number + i, "v": f"{number} {i % 10}", "moved": 100 * number} for i in range(count)]


def run_document(source: IncrementalSource, number: int):
    given = document(source.lake, number, (ORDERS, source.batches))
    return given.model_copy(update={"models": MODELS, "refresh": refresh_plans(MODELS, (ORDERS,))})


def make_unreadable(path: Path) -> None:
    """Overwrite the rows of a Parquet file, but not its footer."""
    content = path.read_bytes()
    footer = int.from_bytes(content[-8:-4], "little") + 8
    path.write_bytes(content[:4] + bytes(len(content) - footer - 4) + content[-footer:])
    path.with_name(f".{path.name}.crc").unlink()  # Hadoop's, of each 512 bytes: of the footer's first, too


@pytest.mark.spark
def test_an_increment_touches_the_files_of_its_keys_in_few_jobs(spark_session, lake, monkeypatch):
    refresh_anything(monkeypatch)
    source = IncrementalSource(lake, ORDERS)
    for number in range(1, BATCHES + 1):
        source.put(*orders(number))
        source.ingest(number)
        build_silver(spark_session, run_document(source, number))
    build_gold(spark_session, run_document(source, BATCHES))
    folder = Path(lake.silver_table("orders"))
    files = DeltaTable(folder).get_add_actions(flatten=True)
    lowest = dict(zip(files["path"].to_pylist(), files["min.id"].to_pylist(), strict=True))
    older = {name for name, key in lowest.items() if key < 1000 * BATCHES}
    assert older < lowest.keys(), "new rows are appended"
    for name in older:
        make_unreadable(folder / name)

    source.put(*[{**row, "v": "x", "moved": 1000} for row in orders(BATCHES, 4)])
    source.ingest(BATCHES + 1)
    increment = run_document(source, BATCHES + 1)
    with counted_queries() as silver:
        (entry,) = build_silver(spark_session, increment)
    assert counts(entry)["updated"] == 4
    assert set(DeltaTable(folder).get_add_actions(flatten=True)["path"].to_pylist()) >= older
    with counted_queries() as gold:
        built = build_gold(spark_session, increment).models
    assert [built[one.name].built for one in MODELS] == ["by key", "by key"]
    print(f"jobs of an increment: silver {silver.jobs}, gold {gold.jobs} for {len(MODELS)} models")
    assert silver.jobs <= SILVER_JOBS
    assert gold.jobs <= GOLD_JOBS_PER_MODEL * len(MODELS)
