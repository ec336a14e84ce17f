"""The checks of silver: which rows fail, and the consequence."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from midnight.configuration.tables import Table
from midnight.errors import ConfigurationError, QualityGateError
from midnight.lake.ledger import read_ledger
from tests.support.sealed_batches import counts, quarantine_rules, read_rows, silver_rows, table

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

# The consequence of a failure is the same for every rule.
CASES = [(*case, "quarantine") for case in CHECKS] + [
    (*CHECKS[number], on_failure) for number in (2, 4) for on_failure in ("warn", "fail")
]


@pytest.mark.parametrize(("check", "label", "bad", "on_failure"), CASES, ids=[f"{c[1]}-{c[3]}" for c in CASES])
def test_checks(apply, lake, check, label, bad, on_failure):  # noqa: PLR0917 - parameters and fixtures
    bad = [{"s": "a", "n": 1.0, **row} for row in bad]
    good = GOOD if label != "e" else [row for row in GOOD if row["id"] != 102]
    columns = {"id": "integer", "s": "text", "n": "double precision", "d": "date"}
    checked = table("checked", columns, key=["id"], checks=[{**check, "on_failure": on_failure}])
    failed = {label: len(bad)}
    if on_failure == "fail":
        with pytest.raises(QualityGateError, match=rf"public.checked: {len(bad)} rows .*{label} {len(bad)}"):
            apply((checked, [*good, *bad]))
        assert [rule for rule, _ in quarantine_rules(lake, checked, 1)] == [label] * len(bad)
        assert [e.rows_by_check for e in read_ledger(lake.ledger) if e.status == "failed"] == [failed]
        return
    entry = apply((checked, [*good, *bad]))["checked"]
    assert entry.rows_by_check == failed
    if on_failure == "warn":
        assert counts(entry) == {"inserted": len(good) + len(bad), "warnings": len(bad)}
        assert f"{label} {len(bad)}" in entry.message
        assert quarantine_rules(lake, checked, 1) == []
    else:
        assert counts(entry) == {"inserted": len(good), "quarantined": len(bad)}
        assert [rule for rule, _ in quarantine_rules(lake, checked, 1)] == [label] * len(bad)


def test_unique_keeps_the_first_and_only_compares_rows_that_pass_the_other_checks(apply, lake):
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


def test_a_foreign_key_only_sees_the_clean_rows_of_this_run(apply, lake):
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
    # The pets are unchanged in the next run, but an owner was deleted: they are evaluated again.
    entries = apply((pets, rows), (owners, [{"id": "b"}]), number=2)
    assert counts(entries["pets"]) == {"unchanged": 1, "deleted": 1, "quarantined": 2, "warnings": 1}


def test_a_self_reference_quarantines_complete_branches(apply, lake):
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


def test_tables_that_reference_each_other_change_together_or_not_at_all(apply, lake):
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
        apply((first, ones), (second, twos[:1]), number=2)
    assert [read_rows(lake.silver_table(name)) for name in ("first", "second")] == before


def test_every_failed_table_is_reported_and_left_unchanged(apply, lake):
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
        apply((tables[0], [{"id": 10}, {"id": 11}]), (tables[1], [{"id": 2}]), (tables[2], [{"id": 12}]), number=2)
    assert lake.quarantine in str(caught.value)
    after = [read_rows(lake.silver_table(t.silver)) for t in tables]
    assert (after[0], after[2]) == (before[0], before[2])
    assert [row["id"] for row in after[1]] == [2]
    statuses = sorted((e["table"], e["status"]) for e in read_rows(lake.ledger) if e["run_id"] == "run-2")
    assert statuses == [
        ("a", "failed"), ("a", "started"), ("b", "applied"), ("b", "started"), ("c", "failed"), ("c", "started"),
    ]  # fmt: skip


def test_a_null_that_passes_one_check_is_still_checked_by_the_others(apply, lake):
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


def test_a_foreign_key_between_a_date_and_a_date_stored_as_text(apply):
    """`make init` stores a key with infinite dates as text; the columns that reference it stay dates."""
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
    referenced = [
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
    entry = apply((days, referenced), (visits, rows))["visits"]
    assert (entry.inserted, entry.message) == (3, "warnings: day 1, itself 1")


def test_all_invalid_checks_are_reported_at_once(apply):
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
    assert problems["checks.no condition"] == "'id + 1' is int, not boolean; hint: correct it"
    assert "is rejected by the engine: " in problems["checks.no column"]
    assert "is rejected by the engine: " in problems["checks.pattern_name"]
    assert problems["checks.range_id"] == "99999999999 is not a valid INT; hint: write a value of this type"
    assert (
        problems["checks.accepted_values_price"]
        == "1.005 is not a valid DECIMAL(10,2); hint: write a value of this type"
    )
