"""A job that is killed after it has changed silver, and before it has recorded the digest of the new rows."""

from __future__ import annotations

from unittest import mock

import pytest

from midnight.errors import ReconciliationError
from midnight.reconciliation.run_records import read_step_records
from spark_jobs.silver.ledger import Ledger
from spark_jobs.silver.outcomes import Outcomes
from spark_jobs.silver.run import build_silver
from tests.support.sealed_batches import document, read_rows, seal, table
from tests.support.written_faults import damage

COLUMNS = {"id": "integer", "name": "text"}
TABLES = {
    "with a key": table("items", COLUMNS, key=["id"], reconcile="digests"),
    "without a key": table("items", COLUMNS, duplicates="keep", reconcile="digests"),
    "soft": table("items", COLUMNS, key=["id"], reconcile="digests", deletes="soft"),
}
FIRST = [{"id": i, "name": f"n{i}"} for i in range(20)]
SECOND = [{"id": i, "name": "changed" if i % 3 == 0 else f"n{i}"} for i in range(2, 23)]
THIRD = [*SECOND[1:], {"id": 30, "name": "new"}]


class Killed(BaseException):
    """Stands for SIGKILL: no handler of the job takes it."""


@pytest.fixture(params=["folder", "azure"])
def place(request, monkeypatch):
    """In Azure only the engine reads silver: its files have no stamp."""
    if request.param == "azure":
        for module in ("read_back", "altered_tables", "unchanged_digests"):
            monkeypatch.setattr(f"spark_jobs.silver.{module}.is_local", lambda _: False)
        monkeypatch.setattr("midnight.reconciliation.row_sources.is_local", lambda _: False)


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize("given", TABLES.values(), ids=TABLES)
@pytest.mark.parametrize("next_rows", [None, SECOND, THIRD], ids=["the same run again", "an equal batch", "more rows"])
def test_a_digest_of_rows_before_a_killed_run_is_not_used(sail_session, lake, monkeypatch, given, next_rows):
    build_silver(sail_session, document(lake, 1, (given, seal(lake, given, 1, FIRST))))
    second = document(lake, 2, (given, seal(lake, given, 2, SECOND)))
    with mock.patch.object(Outcomes, "record", side_effect=Killed), pytest.raises(Killed):
        build_silver(sail_session, second)
    assert {row["name"] for row in read_rows(lake.silver_table("items"))} >= {"changed"}

    if next_rows is None:
        build_silver(sail_session, second)
    else:
        build_silver(sail_session, document(lake, 3, (given, seal(lake, given, 3, next_rows))))
    expected = sorted((row["id"], row["name"]) for row in next_rows or SECOND)
    rows = [row for row in read_rows(lake.silver_table("items")) if not row.get("_midnight_deleted_batch_id")]
    assert sorted((row["id"], row["name"]) for row in rows) == expected

    monkeypatch.setattr("spark_jobs.silver.run.tables_in_turn", lambda _: {"items"})  # reads all, and compares it
    last = seal(lake, given, 4, next_rows or SECOND)
    build_silver(sail_session, document(lake, 4, (given, last)))
    records = [record for step in read_step_records(lake.reconciliation) for record in step.records]
    assert {record.status for record in records} == {"equal"}
    assert records[-1].compared == "all files"


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize("given", TABLES.values(), ids=TABLES)
def test_a_table_whose_digest_is_not_known_is_read_although_it_did_not_change(sail_session, lake, given):
    counted = given.model_copy(update={"reconcile": "counts"})
    batch = seal(lake, given, 1, FIRST)
    build_silver(sail_session, document(lake, 1, (counted, batch)))
    for number, compared in ((2, "its digest is known from now on"), (3, None)):
        build_silver(sail_session, document(lake, number, (given, batch)))
        record = read_step_records(lake.reconciliation)[-1].records[0]
        assert (record.status, record.method, record.rows) == ("equal", "digests", 20)
        assert compared in (None, record.compared)


def test_a_change_after_a_run_that_was_killed_with_nothing_to_do_is_found(sail_session, lake, monkeypatch):
    given = TABLES["soft"]
    build_silver(sail_session, document(lake, 1, (given, seal(lake, given, 1, FIRST))))
    second = document(lake, 2, (given, seal(lake, given, 2, FIRST)))
    with mock.patch.object(Ledger, "append", side_effect=Killed), pytest.raises(Killed):
        build_silver(sail_session, second)  # its digest belongs to an entry of the ledger that there is not
    build_silver(sail_session, document(lake, 3, (given, seal(lake, given, 3, FIRST))))
    damage(lake.silver_table("items"), "changed value", 3)
    with pytest.raises(ReconciliationError, match="items was changed after the last run"):
        build_silver(sail_session, document(lake, 4, (given, seal(lake, given, 4, FIRST))))
