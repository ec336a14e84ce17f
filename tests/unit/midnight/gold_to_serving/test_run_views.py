"""The views of the schema ``midnight``, over real Parquet files, by DuckDB; Synapse's are in test_synapse_run_views."""

from __future__ import annotations

from datetime import timedelta

from midnight.column_types import duckdb_type
from midnight.gold_to_serving import run_rows
from midnight.gold_to_serving.run_rows import remove_old_run_rows, write_run_rows
from midnight.gold_to_serving.run_views import RUN_VIEWS
from tests.support.summaries import DUE, numbered
from tests.unit.conftest import sale


def test_each_run_adds_its_rows_and_a_later_try_replaces_them(lake):
    lake.build("B1", [sale(1)])
    lake.publish("B1")
    assert [lake.query(f"SELECT count(*) FROM midnight.{view.name}") for view in RUN_VIEWS] == [[(0,)]] * len(RUN_VIEWS)
    write_run_rows(lake.files, lake.paths, numbered(1, "failed"))
    write_run_rows(lake.files, lake.paths, numbered(1))
    write_run_rows(lake.files, lake.paths, numbered(2, "failed"))
    runs = "SELECT run_id, state, quarantined_new, data_up_to FROM midnight.runs ORDER BY due"
    naive = (DUE + timedelta(seconds=5)).replace(tzinfo=None)
    assert lake.query(runs) == [("run 1", "published", 1, naive), ("run 2", "failed", 1, naive)]
    assert lake.query('SELECT "table", batch_id, rows_in FROM midnight.ledger ORDER BY ALL') == [
        ("sales", "B1", 6),
        ("sales", "B2", 6),
    ], "without the entries of other runs"
    assert lake.query('SELECT "check", failed_rows, owner FROM midnight.checks') == [("lon", 1, "maps")] * 2
    assert lake.query("SELECT rule, rows, new_rows FROM midnight.quarantine_counts") == [("lon", 1, 1)] * 2
    assert lake.query("SELECT batch_id, current_at FROM midnight.batches ORDER BY 1") == [("B1", naive), ("B2", naive)]


def test_every_column_has_its_type_and_description(lake):
    lake.build("B1", [sale(1)])
    lake.publish("B1")
    columns = (
        "SELECT table_name, column_name, data_type FROM duckdb_columns() WHERE schema_name = 'midnight' "
        "AND comment > '' ORDER BY table_name, column_index"
    )
    expected = [(v.name, c.name, duckdb_type(c.type)) for v in RUN_VIEWS for c in v.columns]
    assert lake.query(columns) == sorted(expected, key=lambda column: column[0])


def test_the_rows_of_old_runs_are_removed(lake, monkeypatch):
    lake.build("B1", [sale(1)])
    lake.publish("B1")
    for number in (1, 2, 3):
        write_run_rows(lake.files, lake.paths, numbered(number))
    monkeypatch.setattr(run_rows, "KEPT_RUNS", 2)
    removed = remove_old_run_rows(lake.files, lake.paths)
    assert removed == tuple(lake.paths.run_rows(view.name, "B1") for view in RUN_VIEWS)
    assert lake.query("SELECT batch_id FROM midnight.runs ORDER BY 1") == [("B2",), ("B3",)]
    assert remove_old_run_rows(lake.files, lake.paths) == ()
