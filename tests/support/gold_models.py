"""Small gold models and their builds."""

from __future__ import annotations

import pyarrow as pa
from deltalake import DeltaTable

from midnight.silver_to_gold.models import GoldModel, GoldModelContract
from spark_jobs.gold.run import build_gold
from tests.support.gold_lake import run_document, write_silver

FIRST, SECOND, THIRD = (f"2013100{day}T000000000Z-0000000{day}" for day in (1, 2, 3))


def rows_of(paths, build, name) -> pa.Table:
    table = DeltaTable(build.model_path(paths, name)).to_pyarrow_table()
    return table.sort_by([(column, "ascending") for column in build.models[name].key])


def model(name="m", sql="SELECT a FROM silver__t", columns="a INT", key=("a",), checks=(), **references) -> GoldModel:
    """A small model; ``columns`` is written as in SQL DDL."""
    pairs = [column.split(" ", 1) for column in columns.split(", ")]
    contract = {
        "description": "d",
        "key": key,
        "columns": [{"name": column, "type": kind} for column, kind in pairs],
        "checks": checks,
    }
    named = references or {"silver__t": "silver.t"}
    return GoldModel(name=name, sql=sql, references=named, contract=GoldModelContract.model_validate(contract))


def small_silver(paths, values=(1, 2, 3), name="t"):
    write_silver(paths, {name: pa.table({"a": pa.array(values, pa.int32()), "b": [f"b{v}" for v in values]})})


def build(session, paths, *models, batch=FIRST, **options):
    return build_gold(session, run_document(paths, batch, models=models, **options))
