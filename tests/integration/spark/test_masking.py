"""Masked columns: silver, quarantine, ledger, staging and plans contain neither a value nor the key."""

from __future__ import annotations

import contextlib
import io
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from midnight.errors import LakeError, QualityGateError
from midnight.lake.ledger import read_ledger
from spark_jobs.runtime.staged_rows import stage_rows
from spark_jobs.transforms.columns import PlannedColumn
from spark_jobs.transforms.masking import PSEUDONYM, with_pseudonyms
from tests.support.masked_tables import (
    BOUGHT,
    CUSTOMERS,
    KEY,
    ORDERS,
    PEOPLE,
    apply,
    contents_below,
    found_in,
    masked,
    pseudonym,
)
from tests.support.sealed_batches import counts, read_rows, silver_rows, table


@pytest.fixture
def staged(monkeypatch):
    """The staged data, which is removed at the end of a job."""
    kept: list[bytes] = []

    def keep(rows, path, schema, **options):
        frame = stage_rows(rows, path, schema, **options)
        kept.append(contents_below(path))
        return frame

    monkeypatch.setattr("spark_jobs.silver.outcome_staging.stage_rows", keep)
    monkeypatch.setattr("spark_jobs.silver.circular_references.stage_rows", keep)
    return kept


@pytest.fixture(
    params=[
        pytest.param("sail_session", id="sail"),
        pytest.param("spark_session", id="spark", marks=pytest.mark.spark),
    ]
)
def session(request):
    return request.getfixturevalue(request.param)


def test_silver_and_quarantine_only_have_pseudonyms(sail_session, lake, capfd, staged):
    (entry,) = apply(sail_session, lake, 1, (CUSTOMERS, PEOPLE))

    ann, bob, cy = (pseudonym(f"{name}@x.example") for name in ("canary.ann", "canary.bob", "Canary.Cy"))
    assert {row["email"]: (row["born"], row["country"]) for row in silver_rows(lake, CUSTOMERS)} == {
        ann: (pseudonym("1981-02-03"), "DE"),
        bob: (pseudonym("1960-01-01"), "newer"),
        cy: (pseudonym("1971-01-01"), None),
    }
    old, wrong_date = pseudonym("canary.old@x.example"), pseudonym("canary.date@x.example")
    quarantine = {row["reason"]: (row["key"], row["row"]) for row in read_rows(lake.quarantine)}
    assert quarantine[f"born: {pseudonym('1881-02-03')} is less than '1900-01-01'"] == (
        f'{{"email":"{old}"}}',
        f'{{"email":"{old}","born":"{pseudonym("1881-02-03")}","phone":"{pseudonym("4915100000002")}"}}',
    )
    assert quarantine["born: the value (masked) is not date"] == (
        f'{{"email":"{wrong_date}"}}',
        f'{{"email":"{wrong_date}","born":"{pseudonym("canary 1981")}"}}',
    )
    assert sorted(quarantine) == sorted(
        [
            f"email: {pseudonym('canary no mail')} does not match '[^@]+@[^@]+'",
            f"born: {pseudonym('1881-02-03')} is less than '1900-01-01'",
            "born: the value (masked) is not date",
            "the key is null",
        ]
    )
    assert (entry.warnings, entry.masking) == (1, f"{KEY.fingerprint}:born,email,phone")
    # Nothing that the job wrote or printed contains a value or the key.
    printed = "".join(capfd.readouterr())
    everything = b"\n".join([contents_below(lake.silver), *staged, printed.encode()])
    assert (len(staged) >= 1, ann.encode() in everything, "customers: 8 rows in" in printed) == (True, True, True)
    assert found_in(everything) == []


def test_pseudonyms_are_those_of_one_text_on_every_engine_and_no_plan_has_the_key(session):
    values: dict[str, list[tuple[Any, str | None]]] = {
        "STRING": [("", ""), (" ä€😀\n", " ä€😀\n"), (None, None), ("7", "7"), ("\\", "\\")],
        "SMALLINT": [(-32768, "-32768"), (0, "0"), (7, "7"), (None, None), (1, "1")],
        "INT": [(7, "7"), (-1, "-1"), (0, "0"), (None, None), (2147483647, "2147483647")],
        "BIGINT": [(-(2**63), str(-(2**63))), (10**18, "1" + 18 * "0"), (7, "7"), (None, None), (0, "0")],
        "DECIMAL(10,2)": [
            (Decimal("7.00"), "7"),
            (Decimal("-0.50"), "-0.5"),
            (Decimal("100.00"), "100"),
            (Decimal("0.00"), "0"),
            (None, None),
        ],
        "DECIMAL(38,18)": [
            (Decimal("0.000000000000000001"), "0.000000000000000001"),
            (Decimal(10**19), "1" + 19 * "0"),
            (Decimal("0E-18"), "0"),
            (Decimal("-7.1"), "-7.1"),
            (None, None),
        ],
        "DECIMAL(12,0)": [(Decimal(n), str(n)) for n in (100, 0, -7, 10)] + [(None, None)],
        "DATE": [
            (date(1, 1, 1), "0001-01-01"),
            (date(9999, 12, 31), "9999-12-31"),
            (date(1981, 2, 3), "1981-02-03"),
            (date(1500, 2, 28), "1500-02-28"),
            (None, None),
        ],
        "TIMESTAMP": [
            (datetime(1981, 2, 3, 4, 5, 6, tzinfo=UTC), "1981-02-03 04:05:06.000000"),
            (datetime(1981, 2, 3, 4, 5, 6, 70, tzinfo=UTC), "1981-02-03 04:05:06.000070"),
            (datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC), "9999-12-31 23:59:59.999999"),
            (datetime(1800, 1, 1, tzinfo=UTC), "1800-01-01 00:00:00.000000"),
            (None, None),
        ],
    }
    columns = [PlannedColumn(f"c{i}", None, kind, kind, kind, masked=True) for i, kind in enumerate(values)]
    schema = ", ".join(f"{column.name} {column.target}" for column in columns)
    rows = [tuple(pair[0] for pair in row) for row in zip(*values.values(), strict=True)]
    frame = with_pseudonyms(session.createDataFrame(rows, schema), columns, KEY)
    shown = [[row[f"{PSEUDONYM}{i}"] for row in frame.collect()] for i in range(len(columns))]
    texts = [[text for _, text in pairs] for pairs in values.values()]
    assert shown == [[None if text is None else pseudonym(text) for text in column] for column in texts]

    plan = io.StringIO()
    with contextlib.redirect_stdout(plan):
        frame.explain(extended=True)
    assert "pseudonym" in plan.getvalue()
    assert found_in(plan.getvalue().encode()) == []


def test_foreign_keys_are_compared_as_pseudonyms(sail_session, lake, staged):
    apply(sail_session, lake, 1, (CUSTOMERS, PEOPLE), (ORDERS, BOUGHT))
    assert silver_rows(lake, ORDERS) == [{"id": 1, "customer": pseudonym("canary.ann@x.example")}]
    reasons = [row["reason"] for row in read_rows(lake.quarantine) if row["table"] == "orders"]
    assert reasons == [f"customer: {pseudonym('canary.stranger@x.example')} does not exist in customers (email)"]
    assert found_in(b"\n".join([contents_below(lake.silver), *staged])) == []


def test_only_changes_are_written_by_later_runs(sail_session, lake):
    apply(sail_session, lake, 1, (CUSTOMERS, PEOPLE))
    second = [*PEOPLE[1:3], {"email": "canary.ann@x.example", "born": "1981-02-04", "country": "DE"}]
    (entry,) = apply(sail_session, lake, 2, (CUSTOMERS, [*second, {"email": "new@x.example"}]))
    assert counts(entry) == {"inserted": 1, "updated": 2, "unchanged": 1, "warnings": 1}
    (again,) = apply(sail_session, lake, 3, (CUSTOMERS, [*second, {"email": "new@x.example"}]))
    assert counts(again) == {"unchanged": 4, "warnings": 1}


def test_a_table_without_a_key_keeps_its_copies(sail_session, lake):
    calls = table("calls", {"phone": masked("text")}, duplicates="keep", new_columns="ignore")
    apply(sail_session, lake, 1, (calls, [{"phone": "1"}, {"phone": "1"}, {"phone": "2"}, {"phone": None}]))
    (entry,) = apply(sail_session, lake, 2, (calls, [{"phone": "1"}, {"phone": "2"}, {"phone": None}, {"phone": "3"}]))
    assert counts(entry) == {"inserted": 1, "unchanged": 3, "deleted": 1}
    expected = [pseudonym("1"), pseudonym("2"), pseudonym("3"), None]
    assert sorted(row["phone"] or "" for row in silver_rows(lake, calls)) == sorted(value or "" for value in expected)


def test_circular_references_are_staged_as_pseudonyms(sail_session, lake, staged):
    people = table(
        "people",
        {"email": masked("text"), "boss": masked("text")},
        key=["email"],
        on_schema_change="freeze",
        checks=[{"rule": "foreign_key", "columns": ["boss"], "table": "people", "references": ["email"]}],
    )
    rows = [
        {"email": "canary.a", "boss": None},
        {"email": "canary.b", "boss": "canary.a"},
        {"email": "canary.c", "boss": "canary.lost"},
        {"email": "canary.d", "boss": "canary.c"},
    ]
    (entry,) = apply(sail_session, lake, 1, (people, rows))
    assert counts(entry) == {"inserted": 2, "quarantined": 2}
    assert {row["email"] for row in silver_rows(lake, people)} == {pseudonym("canary.a"), pseudonym("canary.b")}
    assert len(staged) > 2
    assert found_in(b"\n".join([contents_below(lake.silver), *staged])) == []


@pytest.mark.parametrize(
    ("check", "kind"),
    [
        ({"rule": "expression", "name": "number", "sql": "cast(email as int) > 1"}, LakeError),
        ({"rule": "pattern", "column": "email", "regex": "x", "on_failure": "fail"}, QualityGateError),
    ],
)
def test_no_error_message_contains_a_value(sail_session, lake, capfd, check, kind):
    people = table("people", {"email": masked("text")}, key=["email"], on_schema_change="freeze", checks=[check])
    with pytest.raises(kind) as caught:
        apply(sail_session, lake, 1, (people, [{"email": "canary.ann@x.example"}]))
    texts = f"{caught.value} {read_ledger(lake.ledger)} {''.join(capfd.readouterr())}"
    assert found_in(texts.encode() + contents_below(lake.silver)) == []
