"""Rows reach a table in about the order of the files that they come from, so that later changes rewrite few files."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from midnight.silver_to_gold.refresh.plan import DrivingInput, RefreshPlan
from spark_jobs.gold.inputs import Inputs
from spark_jobs.gold.ordered_inputs import order_inputs
from spark_jobs.runtime import delta_tables, ordered_files, small_table
from spark_jobs.runtime.delta_tables import open_table, overwrite_table
from spark_jobs.runtime.ordered_files import read_in_order
from spark_jobs.runtime.parquet_files import DataFile

ROWS, FILES, GROUP = 40_000, 6, 2_000


def write_files(folder: Path, extra: pa.Array | None = None) -> list[str]:
    folder.mkdir()
    paths = []
    for number in range(FILES):
        ids = np.arange(number * ROWS, (number + 1) * ROWS)
        columns = {"id": pa.array(ids), "note": pa.array([f"{i * 7919:x}" for i in ids])}
        if extra is not None:
            columns["extra"] = pa.repeat(extra[0], ROWS)
        paths.append(str(folder / f"part-{number}.parquet"))
        pq.write_table(pa.table(columns), paths[-1], row_group_size=GROUP)
    return paths


def runs_of(path: str) -> list[int]:
    """For each file of a table the number of runs of consecutive keys."""
    names = pa.table(DeltaTable(path).get_add_actions())["path"].to_pylist()
    keys = [pq.read_table(f"{path}/{name}", columns=["id"])["id"].to_numpy() for name in names]
    assert sum(map(len, keys)) == ROWS * FILES
    return [1 + int((np.diff(ids) != 1).sum()) for ids in keys]


@pytest.fixture(autouse=True)
def small_files(monkeypatch):
    for module in (ordered_files, delta_tables):
        monkeypatch.setattr(module, "FILE_BYTES", 200_000)


def test_a_file_of_the_table_has_neighbouring_rows(sail_session, tmp_path):
    paths = write_files(tmp_path / "bronze")
    types = [("id", "bigint"), ("note", "string")]
    rows = read_in_order(sail_session, paths, types, str(tmp_path / "links"))
    assert rows.dtypes == types
    assert rows.count() == read_in_order(sail_session, paths, types, str(tmp_path / "links")).count() == ROWS * FILES
    overwrite_table(rows, str(tmp_path / "table"))
    assert max(runs_of(str(tmp_path / "table"))) <= 3


def test_columns_that_a_plain_table_cannot_have_are_read_as_they_are(sail_session, tmp_path):
    paths = write_files(tmp_path / "bronze", pa.array([0], pa.timestamp("us")))
    types = [("id", "bigint"), ("note", "string"), ("extra", "timestamp_ntz")]
    rows = read_in_order(sail_session, paths, types, str(tmp_path / "links"))
    assert rows.dtypes == types
    assert rows.count() == ROWS * FILES


def test_the_input_of_a_whole_build_is_read_in_the_order_of_the_key_as_it_is_now(sail_session, tmp_path):
    path, links = str(tmp_path / "silver"), str(tmp_path / "links")
    driving = DrivingInput("silver.t", "affected__silver__t", "", ("CAST(input.`id` AS BIGINT)",))
    plan = RefreshPlan("key", "", ("id",), (driving,))
    names = ["id", "note"]
    for shift in (0, 1):  # the links of the first round are left by a job that was killed
        files = write_files(tmp_path / f"bronze{shift}")
        rows = read_in_order(sail_session, files[::-1], [("id", "bigint"), ("note", "string")], f"{links}-{shift}")
        overwrite_table(rows.selectExpr(f"id + {shift} AS id", "note"), path)
        inputs = Inputs(sail_session, lambda _: path)
        inputs.open("silver.t")
        order_inputs(inputs, ["silver.t"], plan, lambda _: links)
        assert inputs.open("silver.t").columns == names
        ids = sail_session.sql("SELECT id FROM silver__t").toArrow()["id"].to_numpy()
        assert sorted(ids) == list(range(shift, ROWS * FILES + shift))
        found = [pq.read_table(file)["id"].to_numpy() for file in sorted(Path(links).glob("*.parquet"))]
        middle = [np.median(ids) for ids in found]
        assert len(middle) > 3
        assert middle == sorted(middle)


def test_a_join_with_a_small_table_keeps_the_order_of_the_rows(sail_session, tmp_path):
    """Of more than a megabyte: Sail joins less of it as a whole by itself."""
    paths = {"silver.t": str(tmp_path / "t"), "silver.small": str(tmp_path / "small")}
    types = [("id", "bigint"), ("note", "string")]
    rows = read_in_order(sail_session, write_files(tmp_path / "bronze"), types, str(tmp_path / "links"))
    overwrite_table(rows, paths["silver.t"])
    names = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(ROWS)]
    small = sail_session.createDataFrame(pa.table({"key": range(ROWS), "name": names, "other": names[::-1]}))
    overwrite_table(small, paths["silver.small"])
    driving = DrivingInput("silver.t", "affected__silver__t", "", ("CAST(input.`id` AS BIGINT)",))
    inputs = Inputs(sail_session, paths.__getitem__)
    for reference in paths:
        inputs.open(reference)
    query = f"SELECT id, name FROM silver__t LEFT JOIN silver__small ON key = id % {ROWS}"

    def write() -> list[int]:
        overwrite_table(sail_session.sql(query), str(tmp_path / "joined"))
        return runs_of(str(tmp_path / "joined"))

    assert max(write()) > ROWS / 10
    order_inputs(inputs, [*paths], RefreshPlan("key", "", ("id",), (driving,)), lambda _: str(tmp_path / "ordered"))
    assert max(write()) <= 3
    assert sorted(inputs.open("silver.small").toArrow()["name"].to_pylist()) == sorted(names)


@pytest.mark.parametrize("rows", [0, small_table.SMALL_TABLE_ROWS, small_table.SMALL_TABLE_ROWS + 1])
def test_only_a_small_table_is_read_from_its_files(sail_session, tmp_path, rows):
    overwrite_table(sail_session.range(rows).selectExpr("id", "CAST(id AS DECIMAL(38,2)) AS d"), str(tmp_path / "t"))
    table = open_table(sail_session, str(tmp_path / "t"))
    found = small_table.read_if_small(table, str(tmp_path / "t"))
    assert (found is table) == (rows == 0 or rows > small_table.SMALL_TABLE_ROWS)
    assert (found.dtypes, found.count()) == (table.dtypes, rows)


def test_a_few_rows_from_elsewhere_do_not_decide_where_a_file_lies(tmp_path):
    pq.write_table(pa.table({"id": [1, *range(500, 600)]}), tmp_path / "a.parquet", row_group_size=30)
    pq.write_table(pa.table({"id": pa.array([None, None], pa.int64())}), tmp_path / "b.parquet")
    a, b = (DataFile(str(tmp_path), f"{name}.parquet", 0) for name in "ab")
    assert 500 < a.middle("id") < 600
    assert b.middle("id") is None
    assert a.middle("other") is None
