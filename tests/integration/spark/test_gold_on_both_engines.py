"""Models translated for Sail, and as written on Apache Spark: the same tables, the same errors."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from midnight.errors import ModelError
from midnight.lake.paths import LakePaths
from midnight.run.run_configuration import load_run_configuration
from midnight.settings import Settings
from spark_jobs.gold.run import build_gold
from tests.support.gold_lake import run_document, write_silver
from tests.support.order_line_models import write

BATCH = "20131001T000000000Z-00000001"
MODELS = {
    "line_total": ("SELECT id, qty * price AS total FROM silver.order_line", "id INT; total DECIMAL(18,2)"),
    "per_piece": (
        "SELECT id, CAST(price AS DECIMAL(10,2)) / CAST(qty AS INT) AS per_piece, EXTRACT(DOW FROM placed) AS dow,\n"
        "    weekday(placed) AS weekday, price / qty AS ratio, id % 2 AS odd, price % 7 AS rest\n"
        "FROM silver.order_line",
        "id INT; per_piece DECIMAL(18,10); dow INT; weekday INT; ratio DECIMAL(38,6); odd INT; rest DECIMAL(10,2)",
    ),
    "totals": (
        "SELECT code, avg(price) AS mean, sum(price) AS total, sum(id) AS ids, count(*) AS n,\n"
        "    sum(price) / count(*) AS share, max(qty + price) AS both\n"
        "FROM silver.order_line WHERE code IS NOT NULL GROUP BY code",
        "code STRING; mean DECIMAL(14,6); total DECIMAL(20,2); ids BIGINT; n BIGINT; share DECIMAL(38,13); "
        "both DECIMAL(38,17)",
    ),
    "running": (
        "SELECT id, avg(price) OVER (PARTITION BY code ORDER BY id) AS mean,\n"
        "    coalesce(price, 0) AS price, CASE WHEN id > 1 THEN price ELSE ratio END AS either\n"
        "FROM silver.order_line",
        "id INT; mean DECIMAL(14,6); price DECIMAL(12,2); either DOUBLE",
    ),
}
ROWS = pa.table(
    {
        "id": pa.array([1, 2, 3, 4], pa.int32()),
        "qty": pa.array([Decimal(12), Decimal(3), Decimal(5), None], pa.decimal128(38, 18)),
        "price": pa.array([Decimal("19.99"), Decimal("250.00"), Decimal("2.00"), None], pa.decimal128(10, 2)),
        "placed": pa.array([date(2024, 12, 29), date(2024, 2, 29), date(1, 1, 1), None], pa.date32()),
        "ratio": pa.array([1e7, 0.1, float("nan"), None], pa.float64()),
        "code": pa.array(["a", "a", "a", None], pa.string()),
        "email": pa.array(["x", "y", None, "z"], pa.string()),
    }
)


def models(folder, engine):
    return load_run_configuration(Settings(config=folder, engine=engine), []).models


def built(session, include, engine, root):
    paths = LakePaths.below(str(root))
    write_silver(paths, {"order_line": ROWS})
    gold = build_gold(session, run_document(paths, BATCH, models(include, engine)))
    tables = {name: DeltaTable(gold.model_path(paths, name)).to_pyarrow_table() for name in gold.models}
    return {name: table.sort_by(table.column_names[0]) for name, table in tables.items()}


@pytest.fixture(scope="module")
def include(tmp_path_factory):
    return write(tmp_path_factory.mktemp("include"), MODELS)


@pytest.fixture(scope="module")
def on_sail(sail_session, include, tmp_path_factory):
    return built(sail_session, include, "sail", tmp_path_factory.mktemp("sail"))


def test_decimals_and_days_on_sail(on_sail):
    assert on_sail["line_total"]["total"].to_pylist() == [Decimal("239.88"), Decimal("750.00"), Decimal("10.00"), None]
    per_piece = on_sail["per_piece"].to_pylist()[0]
    assert (per_piece["per_piece"], per_piece["dow"], per_piece["weekday"]) == (Decimal("1.6658333333"), 1, 6)
    assert on_sail["totals"]["mean"].to_pylist() == [Decimal("90.663333")]


@pytest.mark.spark
def test_apache_spark_gives_the_same_tables(on_sail, spark_session, include, tmp_path):
    for name, table in built(spark_session, include, "spark", tmp_path).items():
        assert str(table.to_pylist()) == str(on_sail[name].to_pylist()), name
        assert table.schema.types == on_sail[name].schema.types


OVERFLOWS = {
    "whole numbers": ("SELECT id, id + 2147483647 AS n FROM silver.order_line", "id INT; n INT"),
    "decimals": (
        "SELECT id, qty * 99999999999999999999 * 99999999999999999999 AS n FROM silver.order_line",
        "id INT; n DECIMAL(38,2)",
    ),
    "a sum": ("SELECT max(id) AS id, sum(id + 9223372036854775800) AS n FROM silver.order_line", "id INT; n BIGINT"),
}


@pytest.mark.parametrize("name", OVERFLOWS)
@pytest.mark.parametrize("engine", ["sail", pytest.param("spark", marks=pytest.mark.spark)])
def test_an_overflow_error_has_the_columns_their_types_and_the_cast(request, tmp_path, name, engine):
    include = write(tmp_path / "include", {"m": OVERFLOWS[name]})
    session = request.getfixturevalue(f"{engine}_session")
    with pytest.raises(ModelError) as caught:
        built(session, include, engine, tmp_path / "lake")
    message = str(caught.value)
    assert message.startswith("gold.m: the query failed: ")
    assert "a number is out of range in m.sql; hint: one of these needs a CAST: line 1: " in message
    assert " on " in message
    assert "(CAST to " in message
