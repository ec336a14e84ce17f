"""What `make init` writes passes the check of gold models, and numerics without precision get a sufficient one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midnight.configuration.tables import Table
from midnight.postgres_to_bronze.catalogue import CatalogueColumn
from midnight.scaffold.bronze_type import choose_bronze_type
from midnight.scaffold.gold_files import render_gold_contract, render_gold_query
from midnight.scaffold.value_sample import ColumnSample
from midnight.silver_to_gold.load_models import load_gold_models
from midnight.silver_to_gold.spark_sql.check import check_gold_sql
from midnight.silver_to_gold.spark_sql.types import decimal_of, decimal_result

TYPES = [
    *(
        "smallint",
        "integer",
        "bigint",
        "real",
        "double precision",
        "boolean",
        "date",
        "timestamp",
        "timestamptz",
        "text",
    ),
    *("numeric", "numeric(10,2)", "money", "bytea", "uuid", "jsonb", "integer[]", "character(3)", "inet", "interval"),
]


def column(pg_type="numeric") -> CatalogueColumn:
    return CatalogueColumn("n", 1, pg_type, pg_type, "N", not_null=False)


@pytest.mark.parametrize("name", ["orders", "select", "lateral", "values"])
def test_models_that_init_writes_pass_on_sail(tmp_path, name):
    columns = [{"name": f"c{n}", "type": kind} for n, kind in enumerate(TYPES)] + [{"name": "group", "type": "text"}]
    table = Table.model_validate({"schema": "public", "table": name, "silver": name, "key": ["c1"], "columns": columns})
    folder = tmp_path / "sql" / "gold"
    folder.mkdir(parents=True)
    (folder / f"{name}.sql").write_text(render_gold_query(table))
    (folder / f"{name}.yml").write_text(render_gold_contract(table, {}))
    models = load_gold_models(folder, [name])
    report = check_gold_sql(models, [table], "sail", tmp_path)
    assert (report.problems, report.warnings) == ((), ())
    assert report.models[0].sql == models[0].sql


@given(digits=st.integers(0, 38), scale=st.integers(0, 38))
def test_a_proposed_numeric_has_spare_digits(digits, scale):
    bronze_type, reason = choose_bronze_type(column(), ColumnSample(scale=scale, digits=digits))
    if bronze_type is None or bronze_type == "text":
        return  # numeric(38,18) holds it, or nothing does
    size = decimal_of(bronze_type.replace("numeric", "decimal"))
    assert size is not None
    precision, kept = size
    assert kept >= scale
    assert precision - kept >= digits
    assert bronze_type in reason or str(precision - kept) in reason


def test_quantity_and_price_without_precision_can_be_multiplied():
    stores = [choose_bronze_type(column(), ColumnSample(scale=s, digits=d))[0] for s, d in ((0, 2), (2, 3))]
    assert stores == ["numeric(18,2)", "numeric(18,4)"]
    assert (
        decimal_result("*", *(bronze_type.replace("numeric", "decimal") for bronze_type in stores)) == "decimal(37,6)"
    )


@pytest.mark.parametrize("seen", [ColumnSample(), ColumnSample(scale=17, digits=17)])
def test_without_values_or_spare_digits_the_type_is_kept(seen):
    assert choose_bronze_type(column(), seen) == (None, "")


def test_a_declared_precision_is_kept():
    assert choose_bronze_type(column("numeric(10,2)"), ColumnSample(scale=1, digits=2)) == (None, "")
