"""What becomes of a row, rule by rule; each test is one night of a small table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from midnight.configuration.tables import Table
from midnight.errors import BronzeError, ConfigurationError, LakeError, LedgerError, QualityGateError
from midnight.lake.ledger import LedgerEntry
from midnight.lake.paths import LakePaths
from spark_jobs.bronze_to_silver import bronze_to_silver
from spark_jobs.silver import table as silver_table
from spark_jobs.transforms.changes import ACTION, compare
from tests.support.sealed_batches import counts, document, quarantine_rules, read_rows, seal, silver_rows, table

Rows = Sequence[Mapping[str, Any]]


@pytest.fixture
def apply(sail_session, lake: LakePaths):
    """Apply one night of one or more tables; returns the ledger's entries by table."""

    def run(*given: tuple[Table, Rows], night: int = 1, **options: Any) -> dict[str, LedgerEntry]:
        batches = [(t, seal(lake, t, night, rows, **options)) for t, rows in given]
        return {entry.table: entry for entry in bronze_to_silver(sail_session, document(lake, night, *batches))}

    return run


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


def test_the_padding_of_a_char_goes_though_trim_is_false(apply, lake):
    codes = table("codes", {"code": {"type": "character(3)", "trim": False}, "id": "integer"}, key=["code"])
    entry = apply((codes, [{"code": "a  ", "id": 1}, {"code": " a ", "id": 2}, {"code": "   ", "id": 3}]))["codes"]
    assert counts(entry) == {"inserted": 3}
    assert silver_rows(lake, codes) == [{"code": "", "id": 3}, {"code": " a", "id": 2}, {"code": "a", "id": 1}]


def test_a_value_that_cannot_be_cast_keeps_its_row_out_with_the_value_in_the_reason(apply, lake):
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
    assert (row["table"], row["source_table"], row["run_id"]) == ("trips", "public.trips", "night-1")


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


def test_of_several_rows_with_one_key_the_first_by_order_wins_and_null_comes_last(apply, lake):
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


def test_the_newest_row_of_a_key_is_judged_even_if_an_older_one_is_clean(apply, lake):
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
    # Of equally new rows the one that can be cast, though the other one's note sorts first.
    assert silver_rows(lake, things) == [{"id": 2, "note": "b", "v": 3, "at": 5}]


@pytest.mark.parametrize(("duplicates", "expected"), [("drop", 3), ("keep", 5)])
def test_a_table_without_a_key(apply, lake, duplicates, expected):
    log = table("log", {"who": "text", "n": "double precision"}, duplicates=duplicates)
    rows = [{"who": "a", "n": 1.0}] * 3 + [{"who": None, "n": float("nan")}, {"who": None, "n": None}]
    entry = apply((log, rows))["log"]
    assert counts(entry) == {"inserted": expected} | ({"duplicates": 2} if duplicates == "drop" else {})
    again = apply((log, list(reversed(rows))), night=2)["log"]
    assert counts(again) == {"unchanged": expected} | ({"duplicates": 2} if duplicates == "drop" else {})
    one_less = apply((log, [*rows[1:-1], {"who": "b", "n": None}]), night=3)["log"]
    gone = {"deleted": 1} if duplicates == "drop" else {"deleted": 2}
    dup = {"duplicates": 1} if duplicates == "drop" else {}
    assert counts(one_less) == {"inserted": 1, "unchanged": expected - gone["deleted"]} | gone | dup
    assert len(silver_rows(lake, log)) == expected + 1 - gone["deleted"]


CHECKS = [
    ({"rule": "not_null", "columns": ["s"]}, "not_null_s", [{"id": 1, "s": None}]),
    ({"rule": "accepted_values", "column": "s", "values": ["a", "b"]}, "accepted_values_s", [{"id": 1, "s": "c"}]),
    ({"rule": "range", "column": "n", "min": -1.5, "max": 10}, "range_n", [{"id": 1, "n": 10.5}, {"id": 2, "n": -2.0}]),
    ({"rule": "range", "column": "d", "min": "2013-01-01"}, "range_d", [{"id": 1, "d": date(2012, 12, 31)}]),
    (
        {"rule": "pattern", "column": "s", "regex": "[a-z]+"},
        "pattern_s",
        [{"id": 1, "s": "a1"}, {"id": 2, "s": "a\nb"}],
    ),
    ({"rule": "expression", "name": "e", "sql": "n > id OR s = 'a'"}, "e", [{"id": 5, "n": 1.0, "s": "b"}]),
]
GOOD = [
    {"id": 101, "s": "a", "n": 3.0, "d": date(2013, 1, 1)},
    {"id": 102, "s": "b", "n": 10.0, "d": None},
    {"id": 103, "s": "a", "n": None, "d": None},
]


# What follows a failure is the same for every rule.
CASES = [(*case, "quarantine") for case in CHECKS] + [
    (*CHECKS[number], on_failure) for number in (2, 4) for on_failure in ("warn", "fail")
]


@pytest.mark.parametrize(("check", "label", "bad", "on_failure"), CASES, ids=[f"{c[1]}-{c[3]}" for c in CASES])
def test_checks(apply, lake, check, label, bad, on_failure):  # noqa: PLR0917 - parameters and fixtures
    bad = [{"s": "a", "n": 1.0, **row} for row in bad]
    good = GOOD if label != "e" else [row for row in GOOD if row["id"] != 102]
    columns = {"id": "integer", "s": "text", "n": "double precision", "d": "date"}
    checked = table("checked", columns, key=["id"], checks=[{**check, "on_failure": on_failure}])
    if on_failure == "fail":
        with pytest.raises(QualityGateError, match=rf"public.checked: {len(bad)} rows .*{label} {len(bad)}"):
            apply((checked, [*good, *bad]))
        assert [rule for rule, _ in quarantine_rules(lake, checked, 1)] == [label] * len(bad)
        return
    entry = apply((checked, [*good, *bad]))["checked"]
    if on_failure == "warn":
        assert counts(entry) == {"inserted": len(good) + len(bad), "warnings": len(bad)}
        assert f"{label} {len(bad)}" in entry.message
        assert quarantine_rules(lake, checked, 1) == []
    else:
        assert counts(entry) == {"inserted": len(good), "quarantined": len(bad)}
        assert [rule for rule, _ in quarantine_rules(lake, checked, 1)] == [label] * len(bad)


def test_unique_keeps_the_first_and_looks_only_at_rows_that_pass_the_rest(apply, lake):
    seats = table(
        "seats",
        {"id": "integer", "seat": "text", "at": "integer"},
        key=["id"],
        order_by=["at desc"],
        checks=[{"rule": "unique", "columns": ["seat"]}, {"rule": "range", "column": "at", "max": 9}],
    )
    entry = apply((seats, [
        {"id": 1, "seat": "a", "at": 99},
        {"id": 2, "seat": "a", "at": 1},
        {"id": 3, "seat": "a", "at": 2},
        {"id": 4, "seat": None, "at": 1},
        {"id": 5, "seat": None, "at": 1},
    ]))["seats"]  # fmt: skip
    assert counts(entry) == {"inserted": 3, "quarantined": 2}
    assert [row["id"] for row in silver_rows(lake, seats)] == [3, 4, 5]
    assert [rule for rule, _ in quarantine_rules(lake, seats, 1)] == ["range_at", "unique_seat"]


def test_a_foreign_key_looks_into_the_clean_rows_of_this_night(apply, lake):
    owners = table("owners", {"id": "text"}, key=["id"], checks=[{"rule": "pattern", "column": "id", "regex": "[a-z]"}])
    pets = table(
        "pets",
        {"id": "integer", "owner": "text", "vet": "text"},
        key=["id"],
        checks=[
            {"rule": "foreign_key", "columns": ["owner"], "table": "owners", "references": ["id"]},
            {"rule": "foreign_key", "columns": ["vet"], "table": "owners", "references": ["id"], "on_failure": "warn"},
        ],
    )
    rows = [
        {"id": 1, "owner": "a", "vet": None},
        {"id": 2, "owner": "B", "vet": "a"},  # B is in the source, but not clean
        {"id": 3, "owner": None, "vet": "zz"},
    ]
    entries = apply((pets, rows), (owners, [{"id": "a"}, {"id": "B"}]))
    assert counts(entries["pets"]) == {"inserted": 2, "quarantined": 1, "warnings": 1}
    assert quarantine_rules(lake, pets, 1) == [("foreign_key_owner", '{"id":"2","owner":"B","vet":"a"}')]
    # The pets are the same the next night, but an owner is gone: they are judged again.
    entries = apply((pets, rows), (owners, [{"id": "b"}]), night=2)
    assert counts(entries["pets"]) == {"unchanged": 1, "deleted": 1, "quarantined": 2, "warnings": 1}


def test_a_table_that_refers_to_itself_loses_whole_branches(apply, lake):
    staff = table(
        "staff",
        {"id": "integer", "boss": "integer", "name": "text"},
        key=["id"],
        checks=[
            {"rule": "foreign_key", "columns": ["boss"], "table": "staff", "references": ["id"]},
            {"rule": "not_null", "columns": ["name"]},
        ],
    )
    chain = [{"id": i, "boss": i - 1, "name": "x"} for i in range(12, 16)]
    entry = apply((staff, [
        {"id": 1, "boss": None, "name": "a"},
        {"id": 2, "boss": 1, "name": "b"},
        {"id": 11, "boss": 1, "name": None},
        *chain,
        {"id": 20, "boss": 20, "name": "own boss"},
    ]))["staff"]  # fmt: skip
    assert counts(entry) == {"inserted": 3, "quarantined": 5}
    assert [row["id"] for row in silver_rows(lake, staff)] == [1, 2, 20]


def test_tables_that_refer_to_each_other_change_together_or_not_at_all(apply, lake):
    def pair(on_failure: str) -> tuple[Table, Table]:
        first = table(
            "first",
            {"id": "integer", "other": "integer"},
            key=["id"],
            checks=[
                {"rule": "foreign_key", "columns": ["other"], "table": "second", "references": ["id"]},
                {"rule": "range", "column": "id", "max": 100, "on_failure": on_failure},
            ],
        )
        second = table(
            "second",
            {"id": "integer", "other": "integer"},
            key=["id"],
            checks=[{"rule": "foreign_key", "columns": ["other"], "table": "first", "references": ["id"]}],
        )
        return first, second

    first, second = pair("quarantine")
    ones = [{"id": 1, "other": 1}, {"id": 2, "other": 2}, {"id": 3, "other": None}, {"id": 200, "other": 1}]
    twos = [{"id": 1, "other": 3}, {"id": 2, "other": 200}]
    entries = apply((first, ones), (second, twos))
    assert counts(entries["first"]) == {"inserted": 2, "quarantined": 2}
    assert counts(entries["second"]) == {"inserted": 1, "quarantined": 1}
    before = [read_rows(lake.silver_table(name)) for name in ("first", "second")]
    first, second = pair("fail")
    with pytest.raises(QualityGateError, match="range_id 1"):
        apply((first, ones), (second, twos[:1]), night=2)
    assert [read_rows(lake.silver_table(name)) for name in ("first", "second")] == before


def test_every_failing_table_is_reported_and_none_of_them_changes(apply, lake):
    def strict(name: str) -> Table:
        return table(
            name,
            {"id": "integer"},
            key=["id"],
            checks=[{"rule": "range", "name": f"small_{name}", "column": "id", "max": 9, "on_failure": "fail"}],
        )

    tables = [strict(name) for name in ("a", "b", "c")]
    apply(*[(t, [{"id": 1}]) for t in tables])
    before = [read_rows(lake.silver_table(t.silver)) for t in tables]
    with pytest.raises(QualityGateError, match=r"(?s)small_a 2.*small_c 1") as caught:
        apply((tables[0], [{"id": 10}, {"id": 11}]), (tables[1], [{"id": 2}]), (tables[2], [{"id": 12}]), night=2)
    assert lake.quarantine in str(caught.value)
    after = [read_rows(lake.silver_table(t.silver)) for t in tables]
    assert (after[0], after[2]) == (before[0], before[2])
    assert [row["id"] for row in after[1]] == [2]
    statuses = sorted((e["table"], e["status"]) for e in read_rows(lake.ledger) if e["run_id"] == "night-2")
    assert statuses == [
        ("a", "failed"), ("a", "started"), ("b", "applied"), ("b", "started"), ("c", "failed"), ("c", "started"),
    ]  # fmt: skip


def test_bytes_and_moments_survive(apply, lake):
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


def test_wrong_constants_and_impossible_casts_are_configuration_errors(apply):
    bad_fill = table("t", {"id": "integer", "n": {"type": "integer", "nulls": {"fill": "x"}}}, key=["id"])
    with pytest.raises(ConfigurationError, match=r"columns.n.nulls.fill: 'x' is no value of type INT"):
        apply((bad_fill, [{"id": 1}]))
    bad_cast = table("t", {"id": "integer", "b": {"type": "bytea", "cast": "integer"}}, key=["id"])
    with pytest.raises(ConfigurationError, match="bronze_type: integer"):
        apply((bad_cast, [{"id": 1}]), night=2)
    bad_sql = table("t", {"id": "integer"}, key=["id"], checks=[{"rule": "expression", "name": "e", "sql": "nix > 1"}])
    with pytest.raises(ConfigurationError, match=r"public.t: checks.e.*nix"):
        apply((bad_sql, [{"id": 1}]), night=3)


def test_files_that_contradict_their_manifest_are_refused(sail_session, lake):
    t = table("t", {"id": "integer"}, key=["id"])
    manifest = seal(lake, t, 1, [{"id": 1}])
    for wrong, message in (
        ({"rows": 7, "files": (manifest.files[0].model_copy(update={"rows": 7}),)}, "hold 1 rows, the manifest says 7"),
        ({"columns": (manifest.columns[0].model_copy(update={"stored_as": "text"}),)}, "'STRING'"),
    ):
        with pytest.raises(BronzeError, match=message):
            bronze_to_silver(sail_session, document(lake, 1, (t, manifest.model_copy(update=wrong))))


@pytest.mark.parametrize("damage", ["missing", "cut"])
def test_a_damaged_bronze_file_stops_the_table_with_its_name(sail_session, lake, damage):
    t = table("t", {"id": "integer"}, key=["id"])
    manifest = seal(lake, t, 1, [{"id": i} for i in range(10)], files=2)
    last = Path(manifest.file_paths(lake)[-1])
    if damage == "missing":
        last.unlink()
    else:
        last.write_bytes(last.read_bytes()[:-20])
    with pytest.raises((BronzeError, LakeError), match=r"public\.t: .*(clear the|delete the batch folder)"):
        bronze_to_silver(sail_session, document(lake, 1, (t, manifest)))
    assert not Path(lake.silver_table("t")).exists()


@pytest.mark.parametrize("duplicates", ["drop", "keep"])
def test_zero_and_negative_zero_in_a_table_without_a_key(apply, duplicates):
    """Sail's windows tell them apart and its joins do not: the second night found more rows than there were."""
    readings = table("readings", {"who": "text", "x": "double precision", "y": "real"}, duplicates=duplicates)
    rows = [{"who": "a", "x": x, "y": x} for x in (0.0, -0.0, -0.0, 0.0, float("nan"), float("nan"), None, None)]
    expected = 3 if duplicates == "drop" else 8
    apply((readings, rows))
    assert apply((readings, rows), night=2)["readings"].unchanged == expected
    assert apply((readings, rows * 2), night=3)["readings"].silver_after == (3 if duplicates == "drop" else 16)


def test_a_null_that_passes_one_check_is_still_seen_by_the_others(apply, lake):
    seats = table(
        "seats",
        {"id": "integer", "seat": "text", "price": "integer"},
        key=["id"],
        checks=[
            {"rule": "range", "name": "price", "column": "price", "min": 0},
            {"rule": "unique", "name": "taken", "columns": ["seat"]},
            {"rule": "accepted_values", "name": "row", "column": "seat", "values": ["1A"], "on_failure": "warn"},
        ],
    )
    rows = [{"id": i, "seat": seat, "price": None} for i, seat in ((1, "1A"), (2, "1A"), (3, "2B"))]
    entry = apply((seats, rows))["seats"]
    assert counts(entry) == {"inserted": 2, "quarantined": 1, "warnings": 1}
    assert [rule for rule, _ in quarantine_rules(lake, seats, 1)] == ["taken"]


def test_a_row_that_the_job_itself_loses_stops_it_before_silver_changes(apply, lake, monkeypatch):
    """The ledger guards against our own defects: here a clean row is forgotten when it is compared with silver."""
    t = table("t", {"id": "integer", "v": "text"}, key=["id"])
    apply((t, [{"id": i, "v": "old"} for i in (1, 2, 3)]))
    before = read_rows(lake.silver_table("t"))

    def forgetful(*given: Any) -> DataFrame:
        return compare(*given).withColumn(ACTION, F.when(F.col("id") != 2, F.col(ACTION)))

    monkeypatch.setattr(silver_table, "compare", forgetful)
    with pytest.raises(LedgerError, match=r"3 rows, but 2 are accounted for .* nothing was published"):
        apply((t, [{"id": i, "v": "new"} for i in (1, 2, 3)]), night=2)
    assert read_rows(lake.silver_table("t")) == before
    monkeypatch.undo()
    assert apply((t, [{"id": i, "v": "new"} for i in (1, 2, 3)]), night=2)["t"].updated == 3


@pytest.mark.parametrize("duplicates", ["drop", "keep"])
def test_without_a_key_two_values_that_cannot_be_cast_are_two_rows(apply, lake, duplicates):
    """Silver would show both as null, so that they look alike; neither may be counted as a copy of the other."""
    readings = table("readings", {"v": {"type": "text", "cast": "integer"}}, duplicates=duplicates)
    entry = apply((readings, [{"v": "x"}, {"v": "y"}, {"v": None}, {"v": "1"}]))["readings"]
    assert counts(entry) == {"inserted": 2, "quarantined": 2}
    assert sorted(row["row"] for row in read_rows(lake.quarantine)) == ['{"v":"x"}', '{"v":"y"}']


def test_a_foreign_key_between_a_date_and_a_date_that_is_kept_as_text(apply):
    """`make init` keeps a key as text whose dates are infinite; the columns that refer to it stay dates."""
    days = table("days", {"day": {"type": "date", "bronze_type": "text"}, "moment": "text"}, key=["day"])
    check = {"rule": "foreign_key", "table": "days", "on_failure": "warn"}
    visits = table(
        "visits",
        {"id": "integer", "day": "date", "moment": "timestamp with time zone", "as_text": "text"},
        key=["id"],
        checks=[
            {**check, "name": "day", "columns": ["day"], "references": ["day"]},
            {**check, "name": "moment", "columns": ["moment"], "references": ["moment"]},
            {**check, "name": "itself", "table": "visits", "columns": ["as_text"], "references": ["day"]},
        ],
    )
    parents = [
        {"day": "infinity", "moment": "2020-01-01 02:00:00+02"},
        {"day": "2020-01-01", "moment": None},
        {"day": "0044-03-15 BC", "moment": "-infinity"},
    ]
    day, moment = date(2020, 1, 1), datetime(2020, 1, 1, tzinfo=UTC)
    rows = [
        {"id": 1, "day": day, "moment": moment, "as_text": "2020-01-01"},
        {"id": 2, "day": date(2020, 1, 2), "moment": moment, "as_text": "infinity"},
        {"id": 3, "day": None, "moment": None, "as_text": None},
    ]
    entry = apply((days, parents), (visits, rows))["visits"]
    assert (entry.inserted, entry.message) == (3, "warnings: day 1, itself 1")


def test_every_check_that_cannot_be_applied_is_told_at_once(apply):
    checks = [
        {"rule": "expression", "name": "no condition", "sql": "id + 1"},
        {"rule": "expression", "name": "no column", "sql": "idd > 1"},
        {"rule": "pattern", "column": "name", "regex": "(["},
        {"rule": "range", "column": "id", "max": 99999999999},
        {"rule": "accepted_values", "column": "price", "values": [1.25, 1.005]},
    ]
    types = {"id": "integer", "name": "text", "price": "numeric(10,2)"}
    with pytest.raises(ConfigurationError) as caught:
        apply((table("wrong", types, key=["id"], checks=checks), [{"id": 1}]))
    problems = {problem.field: problem.message for problem in caught.value.problems}
    assert problems["checks.no condition"] == "'id + 1' is int, not true or false; correct it"
    assert "is not understood by the engine: " in problems["checks.no column"]
    assert "is not understood by the engine: " in problems["checks.pattern_name"]
    assert problems["checks.range_id"] == "99999999999 is no value of type INT; write one"
    assert problems["checks.accepted_values_price"] == "1.005 is no value of type DECIMAL(10,2); write one"
