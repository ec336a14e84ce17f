"""Rows that the jobs append to a Delta table in a folder without a query of the engine."""

from __future__ import annotations

from datetime import UTC, datetime

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from midnight.errors import LakeError
from spark_jobs.runtime.folder_append import append_to_folder

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


def test_a_missing_table_and_a_table_in_azure_are_left_to_the_engine(tmp_path):
    assert not append_to_folder(str(tmp_path / "none"), [{"a": "x"}], {"a": "string"})
    assert not append_to_folder("abfss://silver@lake.dfs.core.windows.net/x", [{"a": "x"}], {"a": "string"})


def test_rows_are_appended_and_a_new_column_is_added(tmp_path):
    path = str(tmp_path / "table")
    write_deltalake(path, pa.table({"a": ["old"]}))
    assert append_to_folder(path, [{"a": "new", "at": NOW, "n": 7}], {"a": "string", "at": "timestamp", "n": "bigint"})
    table = DeltaTable(path)
    assert table.version() == 1
    rows = sorted(table.to_pyarrow_table().to_pylist(), key=lambda row: row["a"])
    assert rows == [{"a": "new", "at": NOW, "n": 7}, {"a": "old", "at": None, "n": None}]


def test_a_table_with_another_type_is_an_error_of_the_lake(tmp_path):
    path = str(tmp_path / "table")
    write_deltalake(path, pa.table({"a": [[1]]}))
    with pytest.raises(LakeError, match="no rows can be appended to"):
        append_to_folder(path, [{"a": "x"}], {"a": "string"})
