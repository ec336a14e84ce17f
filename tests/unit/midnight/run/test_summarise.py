"""The summary of a run, collected from real Delta tables that delta-rs wrote."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
from deltalake import write_deltalake

from midnight.bronze.manifest import BronzeColumn, BronzeFile, Manifest, ReadFrom
from midnight.bronze.stopped_tables import StoppedTable
from midnight.configuration.tables import Table
from midnight.gold_to_serving.publication import Publication, record_publication
from midnight.reconciliation.run_records import append_step_record, make_step_record
from midnight.run.document import RunDocument, TableWork
from midnight.run.summarise import RunFacts, summarise_run
from midnight.silver_to_gold.builds import CheckResult
from midnight.summary.document import RunSummary
from midnight.summary.storage import read_newest_summary, write_summary
from tests.support.ledger_entries import START, entry
from tests.unit.conftest import SmallLake, sale

SALES = Table.model_validate(
    {
        "schema": "public",
        "table": "sales",
        "silver": "sales",
        "key": ["id"],
        "new_columns": "ignore",
        "columns": [
            {"name": "id", "type": "integer"},
            {"name": "lon", "type": "double precision"},
            {"name": "email", "type": "text", "mask": "pseudonym"},
        ],
        "checks": [
            {"rule": "range", "column": "lon", "min": -180, "max": 180, "owner": "maps", "description": "WGS 84"},
            {"rule": "pattern", "column": "email", "regex": ".+@.+"},
            {"rule": "not_null", "columns": ["lon"], "on_failure": "warn"},
        ],
    }
)
CUSTOMERS = Table.model_validate(
    {"schema": "public", "table": "customers", "silver": "customers", "columns": [{"name": "id", "type": "integer"}]}
)


def manifest(table: str, batch_id: str, read_at: datetime, **values: Any) -> Manifest:
    given: dict[str, Any] = {"rows": 5, "schema_changes": ()} | values
    return Manifest(
        source="shop",
        schema_name="public",
        table=table,
        batch_id=batch_id,
        columns=(BronzeColumn(name="id", source="id", postgres_type="integer", stored_as="integer"),),
        files=(BronzeFile(name="part-00000.parquet", rows=5, bytes=1500, sha256=""),),
        read_from=ReadFrom(server="1", server_version="18.6", database="shop"),
        written_by="operator",
        run_id="r",
        started_at=read_at,
        sealed_at=read_at + timedelta(minutes=1),
        **given,
    )


def plan(lake: SmallLake, batch_id: str, *works: TableWork, stopped: tuple[StoppedTable, ...] = ()) -> None:
    document = RunDocument(
        batch_id=batch_id, run_id=f"run {batch_id}", lake=lake.paths.as_dict(), tables=works, stopped=stopped
    )
    lake.files.write_text(lake.paths.run_document(batch_id), document.to_json())


def reject(lake: SmallLake, batch_id: str, rule: str, *rows: dict[str, str]) -> None:
    content = [
        {"table": "sales", "batch_id": batch_id, "rule": rule, "key": json.dumps({"id": r["id"]}), "row": json.dumps(r)}
        for r in rows
    ]
    write_deltalake(
        lake.paths.quarantine, pa.Table.from_pylist(content), mode="append", partition_by=["table", "batch_id"]
    )


def applied(table: str, batch_id: str, day: int, **values: Any) -> Any:
    given = {"failed_checks": "{}"} | values
    return entry(table, batch_id, run_id=f"run {batch_id}", attempt_at=START + timedelta(days=day), **given)


def publish(lake: SmallLake, build_id: str, batch_id: str, published_by: str, at: datetime) -> None:
    publication = Publication(
        build_id=build_id,
        batch_id=batch_id,
        run_id=published_by,
        published_at=at,
        published_by=published_by,
        engine="synapse",
        location="midnight",
        views={},
    )
    record_publication(lake.paths, lake.files, publication)


def collect(lake: SmallLake, batch_id: str, **values: Any) -> RunSummary:
    given = {"due": START, "pipeline": "shop", "timezone": "Europe/Oslo", "now": START + timedelta(days=9)} | values
    summary = summarise_run(lake.files, lake.paths, RunFacts(run_id=f"run {batch_id}", batch_id=batch_id, **given))
    write_summary(lake.files, lake.paths, summary)
    return summary


def first_run(lake: SmallLake) -> RunSummary:
    """B1: two of five sales in quarantine, one warning; published."""
    build = lake.build("B1", [sale(1)])
    works = [TableWork(table=t, batches=(manifest(t.table, "B1", START),)) for t in (SALES, CUSTOMERS)]
    plan(lake, "B1", *works)
    reject(lake, "B1", "range_lon", {"id": "1", "lon": "999", "email": "ann@x.org"})
    reject(lake, "B1", "pattern_email", {"id": "2", "lon": "1", "email": "secret"})
    failed = json.dumps({"range_lon": 1, "pattern_email": 1, "not_null_lon": 1})
    lake.ledger(
        applied("sales", "B1", 0, inserted=3, quarantined=2, warnings=1, silver_after=3, failed_checks=failed),
        applied("customers", "B1", 0),
    )
    publish(lake, build.build_id, "B1", "run B1", START + timedelta(hours=1))
    return collect(lake, "B1", seconds=61.234, stages={"silver": 9.04})


def test_the_summary_of_the_first_run(lake):
    build_id = f"B1-{lake.builds + 1}"
    found = first_run(lake)
    assert found.figures.model_dump() == {
        "run_id": "run B1",
        "batch_id": "B1",
        "due": START,
        "state": "published",
        "published_at": START + timedelta(hours=1),
        "seconds": 61.2,
        "stages": {"silver": 9.0},
        "rows_in": 10,
        "changed": 8,
        "quarantined": 2,
        "warnings": 1,
        "cost": None,
    }
    assert (found.build_id, found.data_up_to, found.earlier) == (build_id, START, ())
    assert [(c.table, c.name, c.requirement, c.rows, c.failed_rows, c.owner) for c in found.checks] == [
        ("sales", "range_lon", "lon is between -180 and 180", 5, 1, "maps"),
        ("sales", "pattern_email", "email matches the pattern .+@.+", 5, 1, ""),
        ("sales", "not_null_lon", "lon is not null", 5, 1, ""),
        ("dim_shop", "key", "the key (shop_key) is unique and not null", 2, 0, ""),
        ("fact_sale", "key", "the key (sale_key) is unique and not null", 1, 0, ""),
    ]
    by_rule = {rule.rule: rule for rule in found.quarantine}
    lon = by_rule["range_lon"]
    assert (lon.rows, lon.new_rows, lon.since, lon.description) == (1, 1, START, "WGS 84")
    assert [example.model_dump() for example in lon.examples] == [
        {"key": "id=1", "column": "lon", "value": "999", "is_new": True}
    ]
    assert "secret" not in found.model_dump_json()
    assert by_rule["pattern_email"].examples[0].value == ""
    sales = found.tables[1]
    assert (sales.entry.table, sales.quarantined_new, sales.rows_before) == ("sales", 2, ())
    assert sales.batch is not None
    assert (sales.batch.server, sales.batch.bytes, sales.batch.current_at) == ("shop on PostgreSQL 18.6", 1500, START)
    assert [(m.name, m.built, m.rows) for m in found.models] == [("dim_shop", "whole", 2), ("fact_sale", "whole", 1)]


def test_the_next_run_says_what_is_new(lake):
    first = first_run(lake)
    later = START + timedelta(days=1)
    build = lake.build("B2", [sale(1), sale(2)])
    works = [
        TableWork(table=SALES, batches=(manifest("sales", "B2", later, schema_changes=("column x is new",)),)),
        TableWork(table=CUSTOMERS, batches=(manifest("customers", "B1", START),), unchanged_at=later),
    ]
    plan(lake, "B2", *works)
    rows = [{"id": str(number), "lon": "200"} for number in (1, 7, 8, 9)]
    reject(lake, "B2", "range_lon", *rows)
    lake.ledger(
        applied("sales", "B2", 1, inserted=1, quarantined=4, silver_after=4, failed_checks='{"range_lon": 4}'),
        applied("customers", "B1", 1, inserted=0, unchanged=5).model_copy(update={"run_id": "run B2"}),
    )
    proof = make_step_record("B2", "run B2", "silver_to_gold", (), "gold = silver")
    append_step_record(lake.paths.reconciliation, proof)
    publish(lake, build.build_id, "B2", "run B2", later)
    found = collect(lake, "B2")
    (rule,) = found.quarantine
    assert (rule.rows, rule.new_rows, rule.since) == (4, 3, START)
    assert [(example.key, example.is_new) for example in rule.examples] == [
        ("id=7", True),
        ("id=8", True),
        ("id=9", True),
    ]
    assert found.earlier == (first.figures,)
    checks = {check.name: (check.failed_rows, check.failed_before) for check in found.checks if check.layer == "silver"}
    assert checks == {"range_lon": (4, (1,)), "pattern_email": (0, (1,)), "not_null_lon": (0, (1,))}
    customers, sales = found.tables
    assert (customers.batch.batch_id, customers.batch.current_at, customers.rows_before) == ("B1", later, (5,))
    assert (sales.schema_changes, sales.rows_before, sales.quarantined_new) == (("column x is new",), (3,), 3)
    assert (found.data_up_to, found.proof) == (later, ("gold = silver",))
    assert read_newest_summary(lake.files, lake.paths) == found


def test_a_run_that_failed_before_silver_shows_what_readers_have(lake):
    first = first_run(lake)
    found = collect(lake, "B2", outcome="failed", tables={"public.sales", "public.customers"})
    assert (found.figures.state, found.figures.published_at, found.figures.rows_in) == ("failed", None, 0)
    assert (found.data_up_to, found.build_id) == (first.data_up_to, first.build_id)
    assert [table.entry for table in found.tables] == [table.entry for table in first.tables]
    assert [table.batch for table in found.tables] == [table.batch for table in first.tables]
    assert [(rule.rule, rule.rows, rule.new_rows) for rule in found.quarantine] == [
        ("pattern_email", 1, 0),
        ("range_lon", 1, 0),
    ]
    assert len(found.checks) == len(first.checks)
    assert found.proof == ()
    again = collect(lake, "B3", outcome="failed", tables={"public.sales"})
    assert [table.entry.table for table in again.tables] == ["sales"], "a table that is not configured any more"
    assert [figures.state for figures in again.earlier] == ["published", "failed"]


def test_a_table_that_a_check_stopped(lake):
    first_run(lake)
    plan(lake, "B2", TableWork(table=SALES, batches=(manifest("sales", "B2", START),)))
    reject(lake, "B2", "range_lon", {"id": "5", "lon": "777"})
    failed = {"status": "failed", "inserted": 0, "silver_after": 0, "failed_checks": '{"range_lon": 1}'}
    lake.ledger(applied("sales", "B2", 1, **failed))
    found = collect(lake, "B2", outcome="failed")
    (rule,) = found.quarantine
    assert [(example.key, example.value) for example in rule.examples] == [("id=5", "777")]
    assert found.tables[1].batch.batch_id == "B1", "readers have the rows of the batch before"
    assert [check.failed_rows for check in found.checks if check.name == "range_lon"] == [1]


def test_a_partial_run_and_one_with_nothing_to_do(lake):
    first = first_run(lake)
    build = lake.build("B2", [sale(1)])
    works = TableWork(table=CUSTOMERS, batches=(manifest("customers", "B2", START + timedelta(days=1)),))
    plan(lake, "B2", works, stopped=(StoppedTable(table="public.sales", silver="sales", problems=("no column",)),))
    kept = {"rows_in": 0, "inserted": 0, "silver_before": 3, "silver_after": 3}
    lake.ledger(
        applied("sales", "B2", 1, status="stopped", message="no column 'lon'", failed_checks="", **kept),
        applied("customers", "B2", 1),
    )
    publish(lake, build.build_id, "B2", "run B2", START + timedelta(days=1))
    found = collect(lake, "B2")
    assert (found.figures.state, found.problems) == ("partial", ("sales: no column 'lon'",))
    assert found.data_up_to == START, "the stopped table is as old as before"
    assert {rule.rule for rule in found.quarantine} == {rule.rule for rule in first.quarantine}
    skipped = collect(lake, "B0", outcome="nothing to do")
    assert skipped.figures.state == "nothing to do"
    assert read_newest_summary(lake.files, lake.paths) == found


def test_models_that_were_not_built_again_are_kept(lake):
    first_run(lake)
    build = lake.build("B2", [sale(1)])
    old = {name: model.model_copy(update={"built_in": "B1-1", "seconds": 5}) for name, model in build.models.items()}
    same = old["fact_sale"].model_copy(update={"built": "same rows", "inputs": {"silver.sales": "2"}})
    failing = (
        CheckResult(name="key", rule="unique", on_failure="fail", failed_rows=0),
        CheckResult(name="cheap", rule="range", on_failure="warn", failed_rows=3),
    )
    models = {"dim_shop": old["dim_shop"].model_copy(update={"checks": failing}), "fact_sale": same}
    lake.record(build.model_copy(update={"build_id": "B3-9", "batch_id": "B3", "models": models}))
    publish(lake, "B3-9", "B3", "run B3", START)
    shop, fact = collect(lake, "B3").models
    assert (shop.built, shop.seconds, shop.checks, shop.checks_failed) == ("kept", 0, 2, 1)
    assert (fact.built, fact.seconds) == ("same rows", 5)


def test_a_damaged_summary_does_not_prevent_the_next(lake, caplog):
    first_run(lake)
    lake.files.write_text(lake.paths.summary("B1"), "{}")
    assert collect(lake, "B2", outcome="failed").earlier == ()
    assert "is not the summary of a run" in caplog.text
