"""Base views: their statements, and that DuckDB returns the rows that were written to Delta."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

import pytest

from midnight.errors import ServingError
from midnight.gold_to_serving.base_views import BaseView, ViewColumn, duckdb_base_view, synapse_base_view
from midnight.gold_to_serving.delta_snapshot import read_delta_snapshot
from tests.unit.conftest import MODELS, sale

VIEW = BaseView("sale", (ViewColumn("key", "BIGINT"), ViewColumn("note", "STRING", 10), ViewColumn("at", "TIMESTAMP")))


def test_synapse_statement():
    expected = """\
CREATE OR ALTER VIEW [gold].[sale] AS
SELECT
    [key],
    [note],
    [at]
FROM OPENROWSET(
    BULK 'sale/b1/',
    DATA_SOURCE = 'gold',
    FORMAT = 'DELTA'
) WITH (
    [key] BIGINT,
    [note] VARCHAR(40) COLLATE Latin1_General_100_BIN2_UTF8,
    [at] DATETIME2(6)
) AS r"""
    assert synapse_base_view(VIEW, "sale/b1") == expected


def test_duckdb_statement():
    expected = """\
CREATE VIEW "gold"."sale" AS
SELECT
    CAST("key" AS BIGINT) AS "key",
    CAST("note" AS VARCHAR) AS "note",
    CAST(make_timestamp(epoch_us("at")) AS TIMESTAMP) AS "at"
FROM read_parquet([
    '/it''s/a[*].parquet'
], union_by_name = true, hive_partitioning = false)"""
    assert duckdb_base_view(VIEW, ["/it's/a*.parquet"]) == expected


def test_names_are_quoted():
    view = BaseView("a]b", (ViewColumn('x"]; DROP', "INT"),))
    assert "[gold].[a]]b]" in synapse_base_view(view, "p'q")
    assert '[x"]]; DROP] INT' in synapse_base_view(view, "p'q")
    assert "BULK 'p''q/'" in synapse_base_view(view, "p'q")
    assert '"x""]; DROP"' in duckdb_base_view(view, [])


def test_values_are_those_of_the_delta_table_in_utc(lake):
    lake.build("B1", [sale(5, note="ü 'x'")])
    lake.publish("B1")
    expected = [(5, 2, datetime(2026, 1, 1, 5), date(2026, 1, 1), Decimal("5.10"), 2.5, 5, False, "ü 'x'")]
    assert lake.query("SELECT * FROM gold.fact_sale") == expected


def test_an_empty_table_gives_an_empty_view(lake):
    lake.build("B1", [])
    assert lake.publish("B1").views["gold.fact_sale"] == 0
    assert lake.query("SELECT sold_at FROM gold.fact_sale") == []


@pytest.mark.parametrize("note", ["plain", "with space", "ü/[x]%20", "a=b", "?*"])
def test_partition_columns_come_from_the_folder_names(lake, note):
    lake.build("B1", [sale(1, note=note), sale(2)], {"fact_sale": MODELS["fact_sale"]}, partition_by=["note"])
    lake.publish("B1")
    assert lake.query("SELECT sale_key, note FROM gold.fact_sale ORDER BY 1") == [(1, note), (2, None)]


def test_a_protocol_that_synapse_cannot_read_is_rejected(lake):
    columns = {"sale_key": "BIGINT"}
    build = lake.build("B1", [sale(1)], {"fact_sale": columns}, configuration={"delta.enableDeletionVectors": "true"})
    view = BaseView("fact_sale", (ViewColumn("sale_key", "BIGINT"),))
    with pytest.raises(ServingError, match=r"gold\.fact_sale: .* requires Delta reader version 3"):
        read_delta_snapshot(view, build.model_path(lake.paths, "fact_sale"))


def test_a_missing_column_is_named(lake):
    build = lake.build("B1", [sale(1)])
    view = BaseView("fact_sale", (ViewColumn("sale_key", "BIGINT"), ViewColumn("colour", "STRING")))
    with pytest.raises(ServingError, match=r"has no column \['colour'\]"):
        read_delta_snapshot(view, build.model_path(lake.paths, "fact_sale"))
