"""What a job wrote is what readers read back: faulty writers, wrong readers, and changes behind the jobs' back."""

from __future__ import annotations

import shutil
from decimal import Decimal
from pathlib import Path

import pytest

from midnight.errors import ReconciliationError
from midnight.gold_to_serving.base_views import duckdb_base_view
from midnight.lake.delta_protocol import TABLE_PROPERTIES
from midnight.lake.ledger import read_ledger
from midnight.reconciliation.run_records import read_step_records
from midnight.silver_to_gold.builds import newest_build
from spark_jobs.gold.run import build_gold
from spark_jobs.runtime import delta_tables
from spark_jobs.silver.run import build_silver
from tests.support.proved_tables import DETAIL, PROVED, faulty_writer, run
from tests.support.run_sequences.limits import refresh_anything
from tests.support.sealed_batches import document, seal, silver_rows, table, write_document
from tests.support.written_faults import FAULTS, damage

ROWS = 500


@pytest.fixture(autouse=True)
def _always_refreshed(monkeypatch):
    refresh_anything(monkeypatch)


@pytest.fixture(scope="module")
def first_run(sail_session, tmp_path_factory):
    """A lake after one run of both jobs."""
    from midnight.lake.paths import LakePaths

    root = tmp_path_factory.mktemp("first")
    lake = LakePaths.below(str(root / "lake"))
    build_silver(sail_session, run(lake, 1, ROWS))
    build_gold(sail_session, run(lake, 1, ROWS))
    return root / "lake"


@pytest.fixture
def lake_after_first(first_run, lake):
    shutil.copytree(first_run, Path(lake.root), copy_function=shutil.copy2)
    return lake


def expected_rows(lake):
    return silver_rows(lake, PROVED)


@pytest.mark.parametrize(("number", "fault"), [(1 + place % 2, fault) for place, fault in enumerate(FAULTS)])
def test_a_faulty_writer_of_silver_is_found_and_the_next_run_repairs_it(
    sail_session, lake, lake_after_first, fault, number
):
    if number == 1:
        shutil.rmtree(lake.root)
    given = run(lake, number, ROWS)
    with faulty_writer(fault, number) as done, pytest.raises(ReconciliationError) as raised:
        build_silver(sail_session, given)
    assert done.is_named(str(raised.value)), (done, str(raised.value))
    assert read_ledger(lake.ledger)[-1].status in ("failed", "started")
    (record,) = [r for r in read_step_records(lake.reconciliation)[-1].records if r.status == "different"]
    assert record.differences[0].key == (("id", str(done.key)),)
    (entry,) = build_silver(sail_session, given)
    assert entry.status == "applied"
    assert all(r.status == "equal" for r in read_step_records(lake.reconciliation)[-1].records)


@pytest.mark.parametrize(("number", "fault"), [(2 - place % 2, fault) for place, fault in enumerate(FAULTS)])
def test_a_faulty_writer_of_gold_is_found_before_the_build_is_recorded(
    sail_session, lake, lake_after_first, fault, number
):
    if number == 1:
        shutil.rmtree(lake.gold)
    else:
        build_silver(sail_session, run(lake, 2, ROWS))
    before = newest_build(lake.gold_builds)
    with faulty_writer(fault, number) as done, pytest.raises(ReconciliationError) as raised:
        build_gold(sail_session, run(lake, number, ROWS))
    assert done.is_named(str(raised.value)), (done, str(raised.value))
    assert newest_build(lake.gold_builds) == before
    build = build_gold(sail_session, run(lake, number, ROWS))
    assert build.models[DETAIL.name].built == ("whole" if number == 1 else "by key")


@pytest.mark.parametrize("fault", FAULTS[:2])
def test_a_table_that_was_changed_after_a_run_stops_gold_and_is_written_again(
    sail_session, lake, lake_after_first, fault
):
    path, before = lake.silver_table("items"), expected_rows(lake)
    key, _ = damage(path, fault, 3)
    with pytest.raises(ReconciliationError, match=rf"read back: items.*id = '{key}'"):
        build_gold(sail_session, run(lake, 1, ROWS))
    build_silver(sail_session, run(lake, 2, ROWS, changed=False))
    assert expected_rows(lake) == before
    build_gold(sail_session, run(lake, 2, ROWS, changed=False))


@pytest.mark.parametrize("fault", FAULTS[2:4])
def test_a_file_of_silver_that_was_replaced_in_place_is_found_by_the_next_run(
    sail_session, lake, lake_after_first, fault
):
    path, before = lake.silver_table("items"), expected_rows(lake)
    key, _ = damage(path, fault, 3, in_place=True)
    given = run(lake, 2, ROWS, changed=False)
    with pytest.raises(ReconciliationError, match=rf"read back: items.*id = '{key}'"):
        build_silver(sail_session, given)
    build_silver(sail_session, given)
    assert expected_rows(lake) == before


def test_a_gold_table_that_was_changed_after_its_build_is_found(sail_session, lake, lake_after_first):
    build = newest_build(lake.gold_builds)
    damage(build.model_path(lake, DETAIL.name), "changed value", 4)
    with pytest.raises(ReconciliationError, match=r"gold\.detail, column '\w+'"):
        build_gold(sail_session, run(lake, 1, ROWS))


def test_an_unchanged_run_reads_no_file(sail_session, lake, lake_after_first, monkeypatch):
    from midnight.reconciliation import row_sources

    monkeypatch.setattr(row_sources.FileRows, "digest", lambda *_: pytest.fail("a file was read"))
    build_silver(sail_session, run(lake, 2, ROWS, changed=False))
    build_gold(sail_session, run(lake, 2, ROWS, changed=False))
    records = [r for step in read_step_records(lake.reconciliation)[-2:] for r in step.records]
    assert {(r.table, r.status) for r in records} == {("items", "equal"), ("gold.detail", "equal")}


# Decision 19: Sail reads decimals in the statistics of a file as doubles.
WIDE = [
    ("numeric(18,2)", "1234567890123456.78"),
    ("numeric(18,18)", "0.123456789012345678"),
    ("numeric(38,38)", "0.12345678901234567890123456789012345678"),
]


@pytest.mark.parametrize(("kind", "value"), WIDE)
def test_statistics_that_sail_misreads_stop_the_table_with_its_column(sail_session, lake, monkeypatch, kind, value):
    monkeypatch.setattr(delta_tables, "table_properties", lambda _: TABLE_PROPERTIES)
    wide = table("wide", {"id": "integer", "z": kind}, key=["id"], reconcile="digests")
    batch = seal(lake, wide, 1, [{"id": i, "z": Decimal(value)} for i in range(3)])
    with pytest.raises(ReconciliationError, match=rf"wide, column 'z'.*'{value}'"):
        build_silver(sail_session, document(lake, 1, (wide, batch)))


@pytest.fixture
def published(lake, lake_after_first, tmp_path):
    """Publishes the build of the first run, whose run document is in the lake, as a DuckDB file."""
    from midnight.gold_to_serving.publish import publish_locally
    from midnight.lake.files import open_local_lake

    (tmp_path / "include" / "sql" / "serving").mkdir(parents=True)
    write_document(run(lake, 1, ROWS))

    def publish():
        return publish_locally(
            paths=lake,
            files=open_local_lake(),
            configuration=tmp_path / "include",
            database=tmp_path / "serving.duckdb",
            batch_id=newest_build(lake.gold_builds).batch_id,
            run_id="run-1",
        )

    return publish


def test_the_views_are_compared_with_gold(published, lake):
    published()
    (record,) = read_step_records(lake.reconciliation)[-1].records
    assert (record.table, record.status, record.columns) == ("view gold.detail", "equal", len(DETAIL.contract.columns))


def test_a_build_without_a_run_document_says_that_values_were_not_compared(published, lake, caplog):
    Path(lake.run_document(newest_build(lake.gold_builds).batch_id)).unlink()
    published()
    step = read_step_records(lake.reconciliation)[-1]
    (record,) = step.records
    assert (record.table, record.status, record.method) == ("view gold.detail", "equal", "counts")
    assert step.summary.endswith(f"1 of them only by counts: {record.reason}")
    assert "values were not compared: batch '" in record.reason
    assert step.summary in [each.getMessage() for each in caplog.records if each.levelname == "WARNING"]


def test_a_view_that_shows_something_else_is_not_published(published, lake, tmp_path, monkeypatch):
    def wrong(*given):
        return duckdb_base_view(*given).replace('"amount" AS DECIMAL(38,18)', '"amount" AS DECIMAL(38,15)')

    monkeypatch.setattr("midnight.gold_to_serving.publish_duckdb.duckdb_base_view", wrong)
    with pytest.raises(ReconciliationError, match=r"view gold\.detail, column 'amount'"):
        published()
    assert not (tmp_path / "serving.duckdb").exists()


def test_a_rebuild_is_compared_with_what_it_publishes(sail_session, lake, lake_after_first):
    given = run(lake, 1, ROWS).model_copy(update={"rebuild": True})
    damage(lake.silver_table("items"), "lost row", 1)  # so that the table is written
    with faulty_writer("changed value", 5, only="published") as done, pytest.raises(ReconciliationError) as raised:
        build_silver(sail_session, given)
    assert done.is_named(str(raised.value)), (done, str(raised.value))
    build_silver(sail_session, given)
    assert read_step_records(lake.reconciliation)[-1].records[0].status == "equal"


def test_a_table_in_turn_is_read_completely(sail_session, lake, lake_after_first, monkeypatch):
    from midnight.reconciliation import row_sources

    read = []
    real = row_sources.FileRows.digest
    monkeypatch.setattr(row_sources.FileRows, "digest", lambda self, plan: read.append(self.files) or real(self, plan))
    build_silver(sail_session, run(lake, 2, ROWS, changed=False))
    assert read == []
    monkeypatch.setattr("spark_jobs.silver.run.tables_in_turn", lambda _: {"items"})
    build_silver(sail_session, run(lake, 3, ROWS, changed=False))
    assert len(read) == 1
