"""The configuration that ``make init`` writes for the nasty database runs, and every row arrives."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote

import duckdb
import psycopg
import pytest
from deltalake import DeltaTable

from cli.commands import init
from midnight.run.run_configuration import load_run_configuration
from midnight.settings import load_settings
from midnight.sql_text import quote_identifier, quote_relation
from tests.support.local_run import run_pipeline


@pytest.mark.slow
def test_the_nasty_database_is_loaded_and_no_row_is_lost(reader, tmp_path: Path, monkeypatch):

    monkeypatch.setenv("MIDNIGHT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MIDNIGHT_CONFIG", str(tmp_path / "include"))
    source = f"{reader.user}:{quote(reader.password, safe='')}@{reader.host}:{reader.port}/{reader.database}"
    assert init.main(source=f"postgresql://{source}") == 0
    settings = load_settings()
    entries = run_pipeline(settings, reader, "20260101T000000000Z-00000001")
    configured = load_run_configuration(settings, []).tables.tables
    counts = {}
    with psycopg.connect(reader.dsn.replace(reader.password, quote(reader.password, safe=""))) as connection:
        for table in configured:
            name = quote_relation(table.schema_name, table.table)
            counts[table.silver] = connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0]
    assert {entry.table: (entry.status, entry.inserted, entry.quarantined, entry.duplicates) for entry in entries} == {
        name: ("applied", rows, 0, 0) for name, rows in counts.items()
    }
    assert {entry.table: entry.warnings for entry in entries if entry.warnings} == {}
    assert {entry.table: entry.source_warnings for entry in entries if entry.source_warnings} == {}
    with duckdb.connect(str(settings.serving_database), read_only=True) as views:
        shown = {n: views.execute(f"SELECT count(*) FROM gold.{quote_identifier(n)}").fetchone()[0] for n in counts}
        every_type = views.execute("SELECT * FROM gold.every_type WHERE small = 1").fetchone()
        names = [column[0] for column in views.description]
    assert shown == counts
    assert "order_items_x" in settings.report_page.read_text(encoding="utf-8")
    row = dict(zip(names, every_type, strict=True))
    assert (str(row["free_wide"]), row["nan"], str(row["day"])) == ("12345678901234567890123.5", "NaN", "0001-01-01")
    assert (str(row["minus"]), str(row["tiny"]), bytes(row["bytes"])) == ("12300", "0.00012", b"\x00\xff")
    assert [json.loads(row[name]) for name in ("list", "doc", "address")] == [
        [1, 2, None],
        {"a": [1, "x"]},
        {"street": 'Main "St"', "Zip Code": "12345"},
    ]
    again = run_pipeline(settings, reader, "20260102T000000000Z-00000001")
    assert {entry.table: (entry.inserted, entry.updated, entry.deleted, entry.unchanged) for entry in again} == {
        name: (0, 0, 0, rows) for name, rows in counts.items()
    }
    countries = DeltaTable(settings.paths.silver_table("countries")).to_pyarrow_table().sort_by("code").to_pylist()
    assert [(row["code"], row["iso"], row["area"], row["capital"]) for row in countries] == [
        ("DE", "DE", None, "Berlin"),
        ("FR", "FR", None, "-"),
        ("NA", "NA", "825615", "Windhoek"),
    ]
