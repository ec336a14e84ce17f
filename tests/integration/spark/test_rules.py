"""The outcome of a row, rule by rule, without checks; each test is one run with a small table."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from midnight.errors import BronzeError, ConfigurationError, LakeError, LedgerError
from spark_jobs.silver import deleted_rows
from spark_jobs.silver.run import build_silver
from spark_jobs.transforms.changes import ACTION, compare
from tests.support.sealed_batches import counts, document, quarantine_rules, read_rows, seal, silver_rows, table


def test_text_is_trimmed_and_some_text_means_null(apply, lake):
    people = table(
        "people",
        {
            "id": "integer",
            "name": "text",
            "city": {"type": "text", "null_values": ["unknown", ""]},
            "note": {"type": "text", "trim": False, "null_values": []},
        },
        key=["id"],
        null_values=["NA"],
    )
    entry = apply((people, [
        {"id": 1, "name": "\u00a0 Ada\t\n", "city": " unknown ", "note": " NA "},
        {"id": 2, "name": " NA", "city": "NA", "note": "x"},
        {"id": 3, "name": "", "city": "  ", "note": None},
    ]))["people"]  # fmt: skip
    assert counts(entry) == {"inserted": 3}
    assert silver_rows(lake, people) == [
        {"id": 1, "name": "Ada", "city": None, "note": " NA "},
        {"id": 2, "name": None, "city": "NA", "note": "x"},
        {"id": 3, "name": "", "city": None, "note": None},
    ]


def test_the_padding_of_a_char_is_removed_although_trim_is_false(apply, lake):
    codes = table("codes", {"code": {"type": "character(3)", "trim": False}, "id": "integer"}, key=["code"])
    entry = apply((codes, [{"code": "a  ", "id": 1}, {"code": " a ", "id": 2}, {"code": "   ", "id": 3}]))["codes"]
    assert counts(entry) == {"inserted": 3}
    assert silver_rows(lake, codes) == [{"code": "", "id": 3}, {"code": " a", "id": 2}, {"code": "a", "id": 1}]


def test_a_failed_cast_quarantines_the_row_with_the_value_in_the_reason(apply, lake):
    trips = table(
        "trips",
        {"id": "integer", "delay": {"type": "text", "cast": "integer"}, "day": {"type": "text", "cast": "date"}},
        key=["id"],
        null_values=["NA"],
    )
    entry = apply((trips, [
        {"id": 1, "delay": " 12 ", "day": "2013-02-28"},
        {"id": 2, "delay": "1.5", "day": "2013-02-30"},
        {"id": 3, "delay": "NA", "day": None},
    ]))["trips"]  # fmt: skip
    assert counts(entry) == {"inserted": 2, "quarantined": 1}
    assert silver_rows(lake, trips) == [
        {"id": 1, "delay": 12, "day": date(2013, 2, 28)},
        {"id": 3, "delay": None, "day": None},
    ]
    (row,) = read_rows(lake.quarantine)
    assert (row["rule"], row["reason"]) == (
        "cast_delay",
        "delay: '1.5' is not integer; day: '2013-02-30' is not date",
    )
    assert (row["key"], row["row"]) == ('{"id":"2"}', '{"id":"2","delay":"1.5","day":"2013-02-30"}')
    assert (row["table"], row["source_table"], row["run_id"]) == ("trips", "public.trips", "run-1")


def test_null_policies_and_redundant_columns(apply, lake):
    parts = table(
        "parts",
        {
            "id": "integer",
            "kind": {"type": "text", "nulls": {"fill": "Unknown"}},
            "price": {"type": "numeric(8,2)", "nulls": {"fill": 0.5}},
            "maker": {"type": "text", "nulls": "drop_row", "null_values": ["NA"]},
            "year": {"type": "integer", "drop": True},
        },
        key=["id"],
    )
    entry = apply((parts, [
        {"id": 1, "kind": None, "price": None, "maker": "m", "year": 1},
        {"id": 2, "kind": "k", "price": Decimal("2.25"), "maker": "NA", "year": 2},
    ]))["parts"]  # fmt: skip
    assert counts(entry) == {"inserted": 1, "dropped": 1}
    assert silver_rows(lake, parts) == [{"id": 1, "kind": "Unknown", "price": Decimal("0.50"), "maker": "m"}]


def test_a_null_in_the_key_goes_to_quarantine(apply, lake):
    pairs = table("pairs", {"a": "integer", "b": {"type": "text", "null_values": ["NA"]}}, key=["a", "b"])
    entry = apply((pairs, [{"a": 1, "b": "x"}, {"a": None, "b": "x"}, {"a": 1, "b": "NA"}]))["pairs"]
    assert counts(entry) == {"inserted": 1, "quarantined": 2}
    rules = quarantine_rules(lake, pairs, 1)
    assert rules == [("key_not_null", '{"a":"1","b":"NA"}'), ("key_not_null", '{"b":"x"}')]


def test_of_several_rows_with_one_key_the_first_by_order_is_kept_nulls_last(apply, lake):
    things = table(
        "things",
        {"id": "integer", "v": "text", "at": {"type": "integer", "drop": True}},
        key=["id"],
        order_by=["at desc"],
    )
    entry = apply((things, [
        {"id": 1, "v": "old", "at": 1},
        {"id": 1, "v": "new", "at": 2},
        {"id": 1, "v": "undated", "at": None},
        {"id": 2, "v": "undated", "at": None},
        {"id": 3, "v": "b", "at": 7},
        {"id": 3, "v": "a", "at": 7},
        {"id": 3, "v": None, "at": 7},
    ]))["things"]  # fmt: skip
    assert counts(entry) == {"inserted": 3, "duplicates": 4}
    assert silver_rows(lake, things) == [{"id": 1, "v": "new"}, {"id": 2, "v": "undated"}, {"id": 3, "v": "a"}]


def test_the_newest_row_of_a_key_is_evaluated_even_if_an_older_one_is_clean(apply, lake):
    things = table(
        "things",
        {"id": "integer", "note": "text", "v": {"type": "text", "cast": "integer"}, "at": "integer"},
        key=["id"],
        order_by=["at desc"],
    )
    entry = apply((things, [
        {"id": 1, "note": "a", "v": "x", "at": 2},
        {"id": 1, "note": "a", "v": "1", "at": 1},
        {"id": 2, "note": "a", "v": "x", "at": 5},
        {"id": 2, "note": "b", "v": "3", "at": 5},
    ]))["things"]  # fmt: skip
    assert counts(entry) == {"inserted": 1, "duplicates": 2, "quarantined": 1}
    # Of equally new rows the one without a failed cast, although the note of the other one sorts first.
    assert silver_rows(lake, things) == [{"id": 2, "note": "b", "v": 3, "at": 5}]


@pytest.mark.parametrize(("duplicates", "expected"), [("drop", 3), ("keep", 5)])
def test_a_table_without_a_key(apply, lake, duplicates, expected):
    log = table("log", {"who": "text", "n": "double precision"}, duplicates=duplicates)
    rows = [{"who": "a", "n": 1.0}] * 3 + [{"who": None, "n": float("nan")}, {"who": None, "n": None}]
    entry = apply((log, rows))["log"]
    assert counts(entry) == {"inserted": expected} | ({"duplicates": 2} if duplicates == "drop" else {})
    again = apply((log, list(reversed(rows))), number=2)["log"]
    assert counts(again) == {"unchanged": expected} | ({"duplicates": 2} if duplicates == "drop" else {})
    one_less = apply((log, [*rows[1:-1], {"who": "b", "n": None}]), number=3)["log"]
    gone = {"deleted": 1} if duplicates == "drop" else {"deleted": 2}
    dup = {"duplicates": 1} if duplicates == "drop" else {}
    assert counts(one_less) == {"inserted": 1, "unchanged": expected - gone["deleted"]} | gone | dup
    assert len(silver_rows(lake, log)) == expected + 1 - gone["deleted"]


def test_bytes_and_timestamps_are_kept_exactly(apply, lake):
    kept = table(
        "kept",
        {"id": "integer", "raw": "bytea", "local": "timestamp without time zone", "at": "timestamp with time zone"},
        key=["id"],
        checks=[{"rule": "not_null", "columns": ["local"]}],
    )
    moment = datetime(2013, 7, 1, 12, 30, 0, 123456, tzinfo=UTC)
    entry = apply((kept, [
        {"id": 1, "raw": b"\x00\xff", "local": moment.replace(tzinfo=None), "at": moment},
        {"id": 2, "raw": b"\x01\xab", "local": None, "at": moment},
    ]))["kept"]  # fmt: skip
    assert counts(entry) == {"inserted": 1, "quarantined": 1}
    assert silver_rows(lake, kept) == [{"id": 1, "raw": b"\x00\xff", "local": moment, "at": moment}]
    assert quarantine_rules(lake, kept, 1) == [
        ("not_null_local", '{"id":"2","raw":"\\\\x01ab","at":"2013-07-01 12:30:00.123456"}')
    ]


def test_invalid_constants_and_casts_are_configuration_errors(apply):
    bad_fill = table("t", {"id": "integer", "n": {"type": "integer", "nulls": {"fill": "x"}}}, key=["id"])
    with pytest.raises(ConfigurationError, match=r"columns.n.nulls.fill: 'x' is not a valid INT"):
        apply((bad_fill, [{"id": 1}]))
    bad_cast = table("t", {"id": "integer", "b": {"type": "bytea", "cast": "integer"}}, key=["id"])
    with pytest.raises(ConfigurationError, match="bronze_type: integer"):
        apply((bad_cast, [{"id": 1}]), number=2)
    bad_sql = table("t", {"id": "integer"}, key=["id"], checks=[{"rule": "expression", "name": "e", "sql": "nix > 1"}])
    with pytest.raises(ConfigurationError, match=r"public.t: checks.e.*nix"):
        apply((bad_sql, [{"id": 1}]), number=3)


def test_files_that_do_not_match_their_manifest_are_refused(sail_session, lake):
    t = table("t", {"id": "integer"}, key=["id"])
    manifest = seal(lake, t, 1, [{"id": 1}])
    for wrong, message in (
        ({"rows": 7, "files": (manifest.files[0].model_copy(update={"rows": 7}),)}, "have 1 rows, the manifest has 7"),
        ({"columns": (manifest.columns[0].model_copy(update={"stored_as": "text"}),)}, "'STRING'"),
    ):
        with pytest.raises(BronzeError, match=message):
            build_silver(sail_session, document(lake, 1, (t, manifest.model_copy(update=wrong))))


@pytest.mark.parametrize("damage", ["missing", "cut"])
def test_a_damaged_bronze_file_stops_the_table(sail_session, lake, damage):
    t = table("t", {"id": "integer"}, key=["id"])
    manifest = seal(lake, t, 1, [{"id": i} for i in range(10)], files=2)
    last = Path(manifest.file_paths(lake)[-1])
    if damage == "missing":
        last.unlink()
    else:
        last.write_bytes(last.read_bytes()[:-20])
    with pytest.raises((BronzeError, LakeError), match=r"public\.t: .*(clear the|delete the batch folder)"):
        build_silver(sail_session, document(lake, 1, (t, manifest)))
    assert not Path(lake.silver_table("t")).exists()


@pytest.mark.parametrize("duplicates", ["drop", "keep"])
def test_zero_and_negative_zero_in_a_table_without_a_key(apply, duplicates):
    """Sail's windows distinguish them and its joins do not: the second run found more rows than there were."""
    readings = table("readings", {"who": "text", "x": "double precision", "y": "real"}, duplicates=duplicates)
    rows = [{"who": "a", "x": x, "y": x} for x in (0.0, -0.0, -0.0, 0.0, float("nan"), float("nan"), None, None)]
    expected = 3 if duplicates == "drop" else 8
    apply((readings, rows))
    assert apply((readings, rows), number=2)["readings"].unchanged == expected
    assert apply((readings, rows * 2), number=3)["readings"].silver_after == (3 if duplicates == "drop" else 16)


def test_a_row_lost_by_the_job_stops_it_before_silver_changes(apply, lake, monkeypatch):
    """The ledger detects defects of the job: here a clean row is lost in the comparison with silver."""
    t = table("t", {"id": "integer", "v": "text"}, key=["id"])
    apply((t, [{"id": i, "v": "old"} for i in (1, 2, 3)]))
    before = read_rows(lake.silver_table("t"))

    def lossy_compare(*given: Any, **options: Any) -> DataFrame:
        return compare(*given, **options).withColumn(ACTION, F.when(F.col("id") != 2, F.col(ACTION)))

    monkeypatch.setattr(deleted_rows, "compare", lossy_compare)
    with pytest.raises(LedgerError, match=r"3 rows, but 2 are accounted for .* nothing was published"):
        apply((t, [{"id": i, "v": "new"} for i in (1, 2, 3)]), number=2)
    assert read_rows(lake.silver_table("t")) == before
    monkeypatch.undo()
    assert apply((t, [{"id": i, "v": "new"} for i in (1, 2, 3)]), number=2)["t"].updated == 3


@pytest.mark.parametrize("duplicates", ["drop", "keep"])
def test_without_a_key_two_failed_casts_are_two_rows(apply, lake, duplicates):
    """Both would be null in silver; neither may be counted as a duplicate of the other."""
    readings = table("readings", {"v": {"type": "text", "cast": "integer"}}, duplicates=duplicates)
    entry = apply((readings, [{"v": "x"}, {"v": "y"}, {"v": None}, {"v": "1"}]))["readings"]
    assert counts(entry) == {"inserted": 2, "quarantined": 2}
    assert sorted(row["row"] for row in read_rows(lake.quarantine)) == ['{"v":"x"}', '{"v":"y"}']
