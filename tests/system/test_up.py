"""The whole product on one machine, as a person uses it: real PostgreSQL, real Airflow, real Delta tables."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import duckdb
import psutil
import pytest
from deltalake import DeltaTable

from cli.instance.ports import port_is_free
from midnight.bronze.batches import BronzeStore
from midnight.lake.files import open_local_lake
from midnight.names import TableName
from midnight.summary.storage import read_newest_summary
from tests.support.demo_instance import DemoInstance

pytestmark = [pytest.mark.airflow, pytest.mark.slow]


def ledger_row(output: str, table: str) -> dict[str, int]:
    """The row of a table in the printed ledger."""
    names = ("rows_in", "inserted", "updated", "unchanged", "deleted", "duplicates", "dropped", "quarantined", "silver")
    line = next(line for line in output.splitlines() if line.strip().startswith(f"public.{table} "))
    numbers = [int(number.replace(",", "")) for number in re.findall(r"(?<!\S)[\d,]+(?!\S)", line)]
    return dict(zip(names, numbers, strict=True))


def reporting_rows(home: DemoInstance) -> dict[str, int]:
    """Rows of every reporting view."""
    names = home.ask("SELECT table_name FROM information_schema.tables WHERE table_schema = 'reporting'")
    return {name: home.ask(f'SELECT count(*) FROM reporting."{name}"')[0][0] for (name,) in names}


def keep_airlines(configuration: Path) -> None:
    """Leave one table and what is made of it in a configuration folder: a run of it takes seconds."""
    for folder in ("tables", "sql/gold", "sql/serving"):
        for path in (configuration / folder).iterdir():
            if "airline" not in path.name:
                path.unlink()
    (configuration / "report.yml").unlink()
    shutil.rmtree(configuration / "powerbi")


def test_the_first_run_brings_every_row_to_the_views(home, first_run):
    flights = ledger_row(first_run, "flights")
    assert flights["rows_in"] == 252_484
    assert flights["inserted"] + flights["duplicates"] + flights["dropped"] + flights["quarantined"] == 252_484
    assert "every row of every table is accounted for" in first_run
    assert "reporting." in first_run
    assert min(reporting_rows(home).values()) > 0
    assert f"http://127.0.0.1:{home.airflow_port}" in first_run
    assert home.settings.report_page.exists()


def test_each_run_leaves_a_summary(home, first_run):
    summary = read_newest_summary(open_local_lake(), home.settings.paths)
    figures = summary.figures
    assert figures.stages.keys() == {"ingest", "bronze", "silver", "gold", "serve", "report"}
    assert sum(figures.stages.values()) < figures.seconds < 900
    assert (figures.state, figures.quarantined, len(summary.tables)) == ("published", 5, 5)
    assert summary.data_up_to == min(table.batch.current_at for table in summary.tables) < figures.published_at
    warned = [check for check in summary.checks if check.on_failure == "warn" and check.failed_rows]
    assert figures.warnings > 0
    failed = [check.failed_rows for check in warned if check.layer == "silver"]
    assert sum(failed) >= figures.warnings
    rejected = [rule.rows for rule in summary.quarantine]
    assert sum(rejected) == 5
    assert all(rule.examples[0].key and rule.examples[0].column for rule in summary.quarantine)
    # Without a log position if tables are from several runs: a table that has not changed keeps its batch.
    assert re.fullmatch(r"bronze = source(?: at LSN [0-9A-F]+/[0-9A-F]+)?, 5 of 5 tables", summary.proof[0])
    assert home.ask("SELECT run_id, state, quarantined FROM midnight.runs ORDER BY due DESC LIMIT 1") == [
        (figures.run_id, "published", 5)
    ]
    checks = home.ask(f"SELECT sum(failed_rows) FROM midnight.checks WHERE run_id = '{figures.run_id}'")
    failed = [check.failed_rows for check in summary.checks]
    assert checks == [(sum(failed),)]


def test_what_holds_rows_is_private_and_no_password_goes_into_a_pipe(home, first_run):
    modes = {path: path.stat().st_mode & 0o777 for path in (home.home, home.settings.lake or home.home / "lake")}
    assert set(modes.values()) == {0o700}, modes
    for file in (home.settings.report_page, home.settings.serving_database):
        assert file.stat().st_mode & 0o777 == 0o600
    assert home.instance.secrets["airflow_admin_password"] not in first_run
    assert f"airflow_admin_password in {home.instance.secrets_file}" in first_run


def test_the_row_that_the_readme_follows(home, first_run):
    paths = home.settings.paths
    bronze = BronzeStore(open_local_lake(), paths, "nycflights")
    manifest = bronze.sealed_batches(TableName("public", "flights"))[0]
    row = duckdb.read_parquet(manifest.file_paths(paths)).filter("flight_id = 31300")
    assert len(manifest.columns) == 21
    assert row.project("dep_time, tailnum, dest, year, month").fetchall() == [("NA", "N3DMAA", "SJU", 2013, 2)]
    silver = DeltaTable(paths.silver_table("flights")).to_pyarrow_dataset()
    assert {"year", "month", "day", "hour", "minute"} & set(silver.schema.names) == set()
    row = duckdb.arrow(silver).filter("flight_id = 31300")
    assert row.project("dep_time, _midnight_batch_id").fetchall() == [(None, manifest.batch_id)]
    for view, columns, expected in [
        ("gold.fact_flight", "status, destination_airport_key, destination_code", ("Cancelled", "UNKNOWN", "SJU")),
        ("reporting.flight", "count(*)", (1,)),
    ]:
        assert home.ask(f"SELECT {columns} FROM {view} WHERE flight_key = 31300") == [expected]


def test_running_again_changes_nothing(home, first_run):
    before = reporting_rows(home)
    done = home.run("up")
    assert done.returncode == 0, done.stdout + done.stderr
    row, first = ledger_row(done.stdout, "flights"), ledger_row(first_run, "flights")
    assert (row["inserted"], row["updated"], row["deleted"]) == (0, 0, 0)
    assert row["unchanged"] == first["inserted"]
    assert reporting_rows(home) == before


def test_a_night_flows_through_every_layer(home, first_run):
    before = reporting_rows(home)
    done = home.run("night")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2013-10-01: 965 new flights, 40 corrected, 5 withdrawn" in done.stdout
    row = ledger_row(done.stdout, "flights")
    assert (row["rows_in"], row["updated"], row["deleted"]) == (252_484 + 965 - 5, 40, 5)
    assert row["inserted"] == 965 - row["quarantined"] + ledger_row(first_run, "flights")["quarantined"]
    summary = read_newest_summary(open_local_lake(), home.settings.paths)
    flights = next(table for table in summary.tables if table.entry.table == "flights")
    assert flights.entry.updated == row["updated"]
    assert flights.rows_before[-1] == flights.entry.silver_before
    assert summary.earlier[-1].state == "published"
    after = reporting_rows(home)
    assert after.keys() == before.keys()
    assert sum(after.values()) > sum(before.values())


def test_status_names_services_and_runs(home, first_run):
    done = home.run("status")
    assert done.returncode == 0
    for expected in ("airflow scheduler", "demo source, port", "manual__", "success", "lake"):
        assert expected in done.stdout
    assert "Readers have data up to" in done.stdout
    assert "What run manual__" in done.stdout
    assert "quarantine of airports: 3 rows" in done.stdout


def test_no_secret_is_in_a_log(home, first_run):
    secrets = home.instance.secrets.values()
    texts = {path: path.read_text(errors="replace") for path in home.instance.logs.rglob("*.log")}
    assert texts
    assert [path for path, text in texts.items() if any(secret in text for secret in secrets)] == []


def test_a_second_instance_runs_beside_the_first_ends_and_is_removed(home, first_run, tmp_path):
    second = DemoInstance(tmp_path)
    keep_airlines(second.settings.config)
    try:
        done = second.run("up")
        assert done.returncode == 0, done.stdout + done.stderr
        processes = second.process_ids()
        assert not processes & home.process_ids()

        done = second.run("down")
        assert done.returncode == 0, done.stdout + done.stderr
        assert [pid for pid in processes if psutil.pid_exists(pid)] == []
        assert port_is_free(second.airflow_port)
        assert port_is_free(second.source_port)
        assert reporting_rows(second).keys() == {"airline"}
        assert min(reporting_rows(second).values()) > 0
    finally:
        done = second.run("reset")
    assert done.returncode == 0, done.stdout + done.stderr
    assert not second.home.exists()
    assert home.process_ids()
