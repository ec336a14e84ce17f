"""Every type through silver (Sail) and a DuckDB view: both hold what the source has, compared by PostgreSQL itself."""

from __future__ import annotations

import duckdb
import pytest
from deltalake import DeltaTable

from midnight.column_types import spark_type
from midnight.configuration.tables import Table
from midnight.gold_to_serving.base_views import BaseView, ViewColumn, duckdb_base_view
from midnight.lake.ledger import LedgerEntry, read_ledger
from spark_jobs.silver.run import build_silver
from tests.support.ingest_run import BronzeFolder, configure, run_sql
from tests.support.round_trip import Column, array_texts, case_values, differences, make_table, supported_cases
from tests.support.sealed_batches import batch_id, document, silver_rows


@pytest.fixture
def bronze(tmp_path) -> BronzeFolder:
    return BronzeFolder(tmp_path / "lake")


def without_trim(table: Table) -> Table:
    columns = tuple(column.model_copy(update={"trim": False}) for column in table.columns)
    return table.model_copy(update={"columns": columns})


def test_every_type_reaches_silver_and_a_view(sail_session, database, bronze):
    cases = supported_cases(database)
    values = case_values(cases, 12, 3)
    pairs = list(zip(cases, values, strict=True))
    columns = [Column(c.pg_type, v, c.bronze_type, compare=c.compare) for c, v in pairs]
    columns += [Column(f"{c.pg_type}[]", array_texts(c, v, 3), json=True) for c, v in pairs if c.in_json][::5]
    table = without_trim(make_table(database, "matrix", columns))
    bronze.ingest(database, table, batch_id=batch_id(1))
    manifest = bronze.manifest(table)

    (entry,) = build_silver(sail_session, document(bronze.paths, 1, (table, manifest)))

    assert (entry.rows_in, entry.quarantined, entry.unrepresentable) == (manifest.rows, 0, 0)
    silver = DeltaTable(bronze.paths.silver_table(table.silver))
    assert differences(database, "matrix", columns, silver.to_pyarrow_table()) == []
    shown = [ViewColumn(c.name, spark_type(c.type, c.bronze_type)) for c in table.columns]
    view = BaseView("matrix", tuple(shown))
    with duckdb.connect() as connection:
        connection.execute("CREATE SCHEMA gold; SET TimeZone = 'Asia/Kathmandu'")
        connection.execute(duckdb_base_view(view, silver.file_uris()))
        read = connection.execute("SELECT * FROM gold.matrix").to_arrow_table()
    assert differences(database, "matrix", columns, read) == []


def test_values_that_became_null_are_in_the_ledger(sail_session, database, bronze, capsys):
    run_sql(
        database,
        "CREATE TABLE t (id int PRIMARY KEY, until date, amount numeric)",
        "INSERT INTO t VALUES (1, 'infinity', 'NaN'), (2, '2024-01-01', 1), (3, '-infinity', NULL)",
    )
    policy = {"until": "null", "amount": "null"}
    table = configure(database, "t", key=("id",), on_unrepresentable=policy)

    def apply_batch(number: int) -> LedgerEntry:
        bronze.ingest(database, table, batch_id=batch_id(number))
        (entry,) = build_silver(sail_session, document(bronze.paths, number, (table, bronze.manifest(table))))
        return entry

    first, again = apply_batch(1), apply_batch(2)
    assert (first.unrepresentable, first.inserted) == (3, 3)
    assert (again.unrepresentable, again.changed) == (3, "nothing")
    for entry in (first, again):
        assert "2 values of column 'until' became null" in entry.source_warnings
        assert "1 value of column 'amount' became null" in entry.source_warnings
    assert "3 rows in: 3 inserted, 3 unrepresentable; silver has 3 rows; warning: 1 value of" in capsys.readouterr().out
    assert [row["until"] for row in silver_rows(bronze.paths, table)].count(None) == 2
    run_sql(database, "UPDATE t SET until = NULL, amount = NULL WHERE id <> 2")
    corrected = apply_batch(3)
    assert (corrected.unrepresentable, corrected.source_warnings, corrected.changed) == (0, "", "nothing")
    entries = sorted(read_ledger(bronze.paths.ledger), key=lambda entry: entry.attempt_at)
    assert [entry.unrepresentable for entry in entries if entry.status == "applied"] == [3, 3, 0]
