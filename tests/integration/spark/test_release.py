"""A person releases what stopped a run: silver, gold, and what is never released."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from midnight.errors import LedgerError, QualityGateError
from midnight.lake.ledger import latest_entries, read_ledger
from midnight.run.document import Release
from midnight.run.release import release_messages, with_release
from spark_jobs.gold.run import build_gold
from spark_jobs.silver.run import build_silver, raise_failures
from tests.support.gold_lake import run_document
from tests.support.gold_models import FIRST, model, small_silver
from tests.support.sealed_batches import document, read_rows, seal, table

SMALL = {"rule": "range", "name": "small", "column": "id", "max": 9, "on_failure": "fail", "owner": "shop"}


def release(*names: str) -> Release:
    at = datetime(2026, 11, 30, 7, tzinfo=UTC)
    return Release(releasable=names, reason="the board meets at 8", by="maria", at=at)


def test_released_rows_are_in_silver_once_and_the_ledger_says_who_and_why(sail_session, lake):
    t = table("t", {"id": "integer"}, key=["id"], checks=[SMALL])
    plan = document(lake, 1, (t, seal(lake, t, 1, [{"id": 1}, {"id": 10}])))
    with pytest.raises(QualityGateError, match=r"small 1 \(owner: shop\)") as caught:
        build_silver(sail_session, plan)
    assert caught.value.releasable == ("silver/t/small",)
    build_silver(sail_session, with_release(plan, release(*caught.value.releasable)))
    [entry] = latest_entries(read_ledger(lake.ledger))
    assert (entry.status, entry.silver_after, entry.warnings) == ("applied", 2, 1)
    assert entry.released == "small: released by maria at 2026-11-30 07:00 UTC: the board meets at 8"
    assert [row["id"] for row in read_rows(lake.silver_table("t"))] == [1, 10]
    # The release was for one run: the same rows stop the next one.
    with pytest.raises(QualityGateError):
        build_silver(sail_session, document(lake, 2, (t, seal(lake, t, 2, [{"id": 1}, {"id": 10}]))))


def test_a_failure_next_to_one_that_is_never_released_cannot_be_released():
    gate = QualityGateError("a", ["silver/a/x"])
    for other in (LedgerError("a row is missing"), QualityGateError("b")):
        with pytest.raises(Exception, match="; ") as caught:
            raise_failures([gate, other])
        assert not getattr(caught.value, "releasable", ())
    with pytest.raises(QualityGateError) as both:
        raise_failures([gate, QualityGateError("b", ["silver/b/y"])])
    assert both.value.releasable == ("silver/a/x", "silver/b/y")


def test_a_released_model_is_built_and_its_record_says_who_and_why(sail_session, lake):
    small_silver(lake, (1, 2, 30))
    checks = [{"rule": "range", "name": "small", "column": "a", "max": 9, "on_failure": "fail"}]
    plan = run_document(lake, FIRST, models=(model("m", checks=checks), model("n", gold__m="gold.m", sql=SQL)))
    with pytest.raises(QualityGateError) as caught:
        build_gold(sail_session, plan)
    assert caught.value.releasable == ("gold/m/small",)
    models = build_gold(sail_session, with_release(plan, release("gold/m/small"))).models
    assert (models["m"].rows, models["m"].checks[-1].failed_rows) == (3, 1)
    assert models["m"].released.endswith("released by maria at 2026-11-30 07:00 UTC: the board meets at 8")
    assert (models["n"].rows, models["n"].released) == (3, "")


def test_what_was_released_is_told_with_the_reason(lake):
    released = with_release(run_document(lake, FIRST), release("gold/m/small", "silver/t/big"))
    assert release_messages(released) == (
        "gold.m: small, silver.t: big: released by maria at 2026-11-30 07:00 UTC: the board meets at 8",
    )


def test_a_duplicate_key_of_a_model_is_never_released(sail_session, lake):
    small_silver(lake, (1, 20))
    checks = [{"rule": "range", "name": "small", "column": "a", "max": 9, "on_failure": "fail"}]
    twice = model("m", sql="SELECT a FROM silver__t UNION ALL SELECT a FROM silver__t", checks=checks)
    with pytest.raises(QualityGateError, match=r"key \(unique\)") as caught:
        build_gold(sail_session, run_document(lake, FIRST, models=(twice,)))
    assert caught.value.releasable == ()


SQL = "SELECT a FROM gold__m"
