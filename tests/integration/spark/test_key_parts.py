"""A model that gathers many rows is built for one part of its keys after the other, and equals one that is not."""

from __future__ import annotations

from datetime import date
from unittest import mock

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake
from pyspark.errors import PySparkException

from midnight.lake.paths import LakePaths
from midnight.silver_to_gold.refresh.derive import derive_refresh
from midnight.silver_to_gold.spark_sql.relations import silver_relation
from spark_jobs.gold import key_parts, refresh
from spark_jobs.gold.inputs import Inputs
from spark_jobs.gold.run import build_gold
from spark_jobs.runtime.key_cuts import files_between, key_cuts
from spark_jobs.runtime.parquet_files import DataFile
from spark_jobs.runtime.staged_rows import stage_rows
from tests.support.gold_lake import add_to_ledger, run_document
from tests.support.gold_models import FIRST, model, rows_of
from tests.support.sealed_batches import table

ROWS, FILES = 4_000, 8
KINDS = {
    "id": "bigint",
    "twin": "bigint",
    "day": "date",
    "amount": "numeric(20,3)",
    "text": "text",
    "g": "integer",
    "v": "integer",
}
SHOP = table("sale", KINDS, key=["id"])
OTHER = table("other", {"g": "integer", "name": "text"}, key=["g"])
RELATIONS = {"silver__sale": silver_relation(SHOP), "silver__other": silver_relation(OTHER)}
REFERENCES = {"silver__sale": "silver.sale", "silver__other": "silver.other"}
TYPES = {"id": "BIGINT", "day": "DATE", "amount": "DECIMAL(20,3)", "text": "STRING", "g": "INT"}


def by(column: str):
    """A model with the distinct values of each value of a column."""
    return model(
        "m",
        f"SELECT s.{column} AS k, count(*) AS n, count(DISTINCT s.v) AS d, max(o.name) AS name FROM silver__sale AS s "
        f"LEFT JOIN silver__other AS o ON o.g = s.v WHERE s.{column} IS NOT NULL GROUP BY s.{column}",
        f"k {TYPES[column]}, n BIGINT, d BIGINT, name STRING",
        ("k",),
        **REFERENCES,
    )


def write_sales(paths: LakePaths) -> None:
    """Files in the order of all columns but ``g``; each file has nulls."""
    for number in range(FILES):
        ids = np.arange(number * ROWS // FILES, (number + 1) * ROWS // FILES)
        gaps = ids % 97 == 5
        columns = {
            "id": pa.array(ids),
            "twin": pa.array(ROWS + 99 - ids),
            "day": pa.array(15_000 + ids // 40, pa.int32(), mask=gaps).cast(pa.date32()),
            "amount": pa.array(ids * 1_000 // 7 - 90_000).cast(pa.decimal128(20, 0)).cast(pa.decimal128(20, 3)),
            "text": pa.array([None if gap else f"ä{i // 20:05}'" for i, gap in zip(ids, gaps, strict=True)]),
            "g": pa.array(ids * 7919 % 90, pa.int32(), mask=gaps),
            "v": pa.array(ids * 31 % 50, pa.int32()),
        }
        write_deltalake(paths.silver_table("sale"), pa.table(columns), mode="append")
    add_to_ledger(paths, "sale", FIRST, inserted=ROWS, silver_after=ROWS)
    names = {"g": pa.array(range(40), pa.int32()), "name": [f"n{g}" for g in range(40)]}
    write_deltalake(paths.silver_table("other"), pa.table(names))
    add_to_ledger(paths, "other", FIRST, inserted=40, silver_after=40)


@pytest.fixture
def paths(tmp_path) -> LakePaths:
    paths = LakePaths.below(str(tmp_path / "lake"))
    write_sales(paths)
    return paths


@pytest.fixture
def small_parts(monkeypatch):
    monkeypatch.setattr(key_parts, "ROWS_AT_ONCE", 700)
    monkeypatch.setattr(key_parts, "ROWS_AT_ONCE_BY_HASH", 1_500)


def parts_of(session, paths, built) -> list[key_parts.KeyPart]:
    inputs = Inputs(session, lambda reference: paths.silver_table(reference.removeprefix("silver.")))
    for reference in built.references.values():
        inputs.open(reference)
    rows = {"silver.sale": ROWS, "silver.other": 40}
    return key_parts.key_parts(inputs, built, derive_refresh(built, RELATIONS), rows.__getitem__)


@pytest.mark.parametrize("column", TYPES)
def test_the_parts_have_each_row_once_and_all_rows_of_their_keys(sail_session, paths, small_parts, column):
    parts = [part["affected__silver__sale"].toArrow() for part in parts_of(sail_session, paths, by(column))]
    assert len(parts) == (3 if column == "g" else 4), "by hash where the files are not in the order of the key"
    assert sorted(pa.concat_tables(parts)["id"].to_pylist()) == list(range(ROWS))
    keys = [set(part[column].to_pylist()) for part in parts]
    assert all(keys)
    assert sum(map(len, keys)) == len(set().union(*keys))


@pytest.mark.parametrize("column", TYPES)
def test_a_model_in_parts_equals_one_that_is_built_at_once(sail_session, paths, monkeypatch, small_parts, column):
    built = by(column)
    plans = {"m": derive_refresh(built, RELATIONS)}
    staged = mock.Mock(wraps=stage_rows)
    monkeypatch.setattr(refresh, "stage_rows", staged)
    divided = build_gold(sail_session, run_document(paths, FIRST, (built,), refresh=plans))
    assert staged.call_count == 1
    whole = build_gold(sail_session, run_document(paths, FIRST, (built,), rebuild=True))
    assert staged.call_count == 1
    assert divided.models["m"].path != whole.models["m"].path
    assert rows_of(paths, divided, "m").equals(rows_of(paths, whole, "m"))
    assert DeltaTable(divided.model_path(paths, "m")).schema() == DeltaTable(whole.model_path(paths, "m")).schema()


def test_each_branch_of_a_union_is_divided_by_its_own_key(sail_session, paths, small_parts):
    union = "SELECT id AS k, v FROM silver__sale UNION ALL SELECT twin, v FROM silver__sale"
    sql = f"SELECT k, count(*) AS n FROM ({union}) GROUP BY k"
    built = model("m", sql, "k BIGINT, n BIGINT", ("k",), silver__sale="silver.sale")
    plans = {"m": derive_refresh(built, RELATIONS)}
    assert len(plans["m"].driving) == 2
    assert len(parts_of(sail_session, paths, built)) == 4
    divided = build_gold(sail_session, run_document(paths, FIRST, (built,), refresh=plans))
    whole = build_gold(sail_session, run_document(paths, FIRST, (built,), rebuild=True))
    assert rows_of(paths, divided, "m").equals(rows_of(paths, whole, "m"))


def test_times_that_python_cannot_represent_are_in_no_range_that_is_left_out(tmp_path):
    days = [[1, 2], [3, 10**7], [5, 6], [7, None], [None, None], [-(10**7), 0]]
    files = []
    for number, values in enumerate(days):
        path = tmp_path / f"{number}.parquet"
        pq.write_table(pa.table({"k": pa.array(values, pa.int32()).cast(pa.date32())}), path)
        files.append(DataFile(str(tmp_path), path.name, 0))
    cuts = key_cuts(files, "k", 2)
    assert cuts == [date(1970, 1, 6), date(1970, 1, 8)]
    found = [[int(file.name[0]) for file in part] for part in files_between(files, "k", cuts)]
    assert found == [[0, 1, 3, 4, 5], [1, 2, 4, 5], [1, 3, 4, 5]]


def test_a_model_is_built_at_once_if_the_engine_refuses_the_query_of_a_part(
    sail_session, paths, monkeypatch, small_parts
):
    built = by("id")
    monkeypatch.setattr(refresh, "stage_rows", mock.Mock(side_effect=PySparkException("refused")))
    build = build_gold(
        sail_session, run_document(paths, FIRST, (built,), refresh={"m": derive_refresh(built, RELATIONS)})
    )
    assert sum(rows_of(paths, build, "m")["n"].to_pylist()) == ROWS


def test_models_are_not_divided_where_it_does_not_pay(sail_session, paths, monkeypatch, small_parts):
    rows = model("m", "SELECT id AS k FROM silver__sale", "k BIGINT", ("k",), silver__sale="silver.sale")
    assert not parts_of(sail_session, paths, rows)
    monkeypatch.setattr(key_parts, "ROWS_AT_ONCE", 39)  # each part would read all of the 40 other rows
    assert not parts_of(sail_session, paths, by("day"))
    monkeypatch.setattr(key_parts, "ROWS_AT_ONCE", ROWS)
    assert not parts_of(sail_session, paths, by("day"))
