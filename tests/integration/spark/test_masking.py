"""Masked columns: what silver, quarantine, ledger, staging and plans show of a value and of the key."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import io
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from midnight.errors import LakeError, MaskingError, QualityGateError
from midnight.lake.ledger import read_ledger
from midnight.masking import MaskingKey
from spark_jobs.bronze_to_silver import bronze_to_silver
from spark_jobs.runtime.delta_tables import overwrite_table
from spark_jobs.transforms.columns import PlannedColumn
from spark_jobs.transforms.masking import PSEUDONYM, with_pseudonyms
from tests.support.sealed_batches import batch_id, counts, document, read_rows, seal, silver_rows, table

KEY = MaskingKey(hashlib.sha256(b"a key of the tests").digest())
OTHER_KEY = MaskingKey(hashlib.sha256(b"another key").digest())


def pseudonym(value: str, key: MaskingKey = KEY) -> str:
    """Written out here, not taken from the product."""
    return hmac.new(key.secret, value.encode(), hashlib.sha256).hexdigest()[:32]


def masked(kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": kind, "mask": "pseudonym", **fields}


CUSTOMERS = table(
    "customers",
    {
        "email": masked("text", null_values=["none"]),
        "born": masked("text", cast="date"),
        "phone": masked("bigint", drop=True),
        "country": "text",
    },
    key=["email"],
    new_columns="fail",
    order_by=["born desc"],
    checks=[
        {"rule": "pattern", "column": "email", "regex": "[^@]+@[^@]+"},
        {"rule": "range", "column": "born", "min": "1900-01-01"},
        {"rule": "expression", "name": "lower_case", "sql": "email = lower(email)", "on_failure": "warn"},
    ],
)
ORDERS = table(
    "orders",
    {"id": "integer", "customer": masked("character varying(80)")},
    key=["id"],
    new_columns="fail",
    checks=[{"rule": "foreign_key", "columns": ["customer"], "table": "customers", "references": ["email"]}],
)
PEOPLE = [
    {"email": " canary.ann@x.example ", "born": "1981-02-03", "phone": 4915100000001, "country": "DE"},
    {"email": "canary.bob@x.example", "born": None, "country": "FR"},
    {"email": "Canary.Cy@x.example", "born": "1971-01-01"},
    {"email": "canary.bob@x.example", "born": "1960-01-01", "country": "newer"},  # a duplicate: null comes last
    {"email": "canary no mail", "born": "1981-02-03"},
    {"email": "canary.old@x.example", "born": "1881-02-03", "phone": 4915100000002},
    {"email": "canary.date@x.example", "born": "canary 1981"},
    {"email": "none", "country": "nobody"},
]
BOUGHT = [{"id": 1, "customer": "canary.ann@x.example "}, {"id": 2, "customer": "canary.stranger@x.example"}]
# Parts of everything personal above.
PERSONAL = ["canary.", "Canary.", "canary no", "canary 19", "1981-02", "1881-02", "1971-01", "1960-01", "49151000000"]


def apply(session, lake, night, *batches, key=KEY, rebuild=False):
    works = [
        (t, rows if not rows or not isinstance(rows[0], dict) else seal(lake, t, night, rows)) for t, rows in batches
    ]
    return bronze_to_silver(session, document(lake, night, *works, rebuild=rebuild), key)


def contents_below(folder: str) -> bytes:
    """Every file as it is, and the values of every Parquet file, whose pages are compressed."""
    parts = []
    for path in sorted(Path(folder).rglob("*")):
        if path.is_file():
            parts.append(path.read_bytes())
            if path.suffix == ".parquet":
                parts.append(repr(pq.read_table(path, partitioning=None).to_pylist()).encode())
    return b"\n".join(parts)


def found_in(everything: bytes, *keys: MaskingKey) -> list[str | bytes]:
    """What must not be there: personal values and the key, as bytes, hexadecimal or a Python literal."""
    forms = [f for k in keys or (KEY,) for f in (k.secret, k.secret.hex().encode(), repr(k.secret)[2:-1].encode())]
    return [p for p in PERSONAL if p.encode() in everything] + [form for form in forms if form in everything]


@pytest.fixture
def staged(monkeypatch):
    """What was staged: it is removed at the end of a job, so this looks at it before."""
    kept: list[bytes] = []

    def keep(frame, path):
        overwrite_table(frame, path)
        kept.append(contents_below(path))

    monkeypatch.setattr("spark_jobs.silver.table.overwrite_table", keep)
    monkeypatch.setattr("spark_jobs.silver.circular_references.overwrite_table", keep)
    return kept


@pytest.fixture(
    params=[
        pytest.param("sail_session", id="sail"),
        pytest.param("spark_session", id="spark", marks=pytest.mark.spark),
    ]
)
def session(request):
    return request.getfixturevalue(request.param)


def test_silver_and_quarantine_have_pseudonyms_alone(sail_session, lake, capfd, staged):
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
    # The canary: whatever the job wrote or printed has neither a value nor the key.
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


def test_foreign_keys_meet_as_pseudonyms(sail_session, lake, staged):
    apply(sail_session, lake, 1, (CUSTOMERS, PEOPLE), (ORDERS, BOUGHT))
    assert silver_rows(lake, ORDERS) == [{"id": 1, "customer": pseudonym("canary.ann@x.example")}]
    reasons = [row["reason"] for row in read_rows(lake.quarantine) if row["table"] == "orders"]
    assert reasons == [f"customer: {pseudonym('canary.stranger@x.example')} does not exist in customers (email)"]
    assert found_in(b"\n".join([contents_below(lake.silver), *staged])) == []


def test_night_after_night_only_changes_are_written(sail_session, lake):
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


def test_references_in_a_circle_are_staged_as_pseudonyms(sail_session, lake, staged):
    people = table(
        "people",
        {"email": masked("text"), "boss": masked("text")},
        key=["email"],
        new_columns="fail",
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


def test_another_key_is_refused_until_everything_is_rebuilt(sail_session, lake):
    first = [seal(lake, CUSTOMERS, 1, PEOPLE), seal(lake, ORDERS, 1, BOUGHT)]
    apply(sail_session, lake, 1, (CUSTOMERS, first[:1]), (ORDERS, first[1:]))
    before = read_rows(lake.silver_table("customers"))
    plain = table("plain", {"id": "integer"}, key=["id"])

    with pytest.raises(MaskingError) as caught:
        apply(sail_session, lake, 2, (CUSTOMERS, PEOPLE), (plain, [{"id": 1}]), key=OTHER_KEY)
    assert str(caught.value) == (
        f"customers: silver 'customers' was written with masked born, email, phone (key {KEY.fingerprint}), this run "
        f"would write it with masked born, email, phone (key {OTHER_KEY.fingerprint}); if that is meant, run "
        "midnight_rebuild for all tables, otherwise put the key or the table file back"
    )
    assert (read_rows(lake.silver_table("customers")), len(silver_rows(lake, plain))) == (before, 1)

    # Not one table alone either: orders would keep the old pseudonyms.
    with pytest.raises(MaskingError, match=r"\['orders'\] were masked with another key"):
        apply(sail_session, lake, 3, (CUSTOMERS, first[:1]), key=OTHER_KEY, rebuild=True)
    assert read_rows(lake.silver_table("customers")) == before

    apply(sail_session, lake, 4, (CUSTOMERS, first[:1]), (ORDERS, first[1:]), key=OTHER_KEY, rebuild=True)
    ann = pseudonym("canary.ann@x.example", OTHER_KEY)
    assert silver_rows(lake, ORDERS) == [{"id": 1, "customer": ann}]
    assert pseudonym("canary no mail") not in repr(read_rows(lake.quarantine))
    (entry,) = apply(sail_session, lake, 5, (CUSTOMERS, PEOPLE), key=OTHER_KEY)
    assert (entry.unchanged, entry.masking) == (3, f"{OTHER_KEY.fingerprint}:born,email,phone")


def test_a_mask_that_comes_later_needs_a_rebuild_which_clears_the_quarantine(sail_session, lake):
    open_ = table("people", {"email": "text"}, key=["email"], checks=[CUSTOMERS.checks[0]])
    hidden = table("people", {"email": masked("text")}, key=["email"], new_columns="fail", checks=[CUSTOMERS.checks[0]])
    rows = [{"email": "canary.ann@x.example"}, {"email": "canary no mail"}]
    apply(sail_session, lake, 1, (open_, rows), key=None)  # bronze will not have this night any more
    with pytest.raises(
        MaskingError, match="was written with no masked columns, this run would write it with masked email"
    ):
        apply(sail_session, lake, 2, (hidden, rows))
    apply(sail_session, lake, 3, (hidden, [seal(lake, hidden, 3, rows)]), rebuild=True)
    assert silver_rows(lake, hidden) == [{"email": pseudonym("canary.ann@x.example")}]
    assert [row["batch_id"] for row in read_rows(lake.quarantine)] == [batch_id(3)]
    shown = repr([read_rows(path) for path in (lake.quarantine, lake.ledger, lake.silver_table("people"))])
    assert found_in(shown.encode()) == []
    # An unmasked column by mistake does not happen silently either.
    with pytest.raises(MaskingError, match="would write it with no masked columns"):
        apply(sail_session, lake, 4, (open_, rows), key=None)


@pytest.mark.parametrize(
    ("check", "kind"),
    [
        ({"rule": "expression", "name": "number", "sql": "cast(email as int) > 1"}, LakeError),
        ({"rule": "pattern", "column": "email", "regex": "x", "on_failure": "fail"}, QualityGateError),
    ],
)
def test_no_error_sentence_quotes_a_value(sail_session, lake, capfd, check, kind):
    people = table("people", {"email": masked("text")}, key=["email"], new_columns="fail", checks=[check])
    with pytest.raises(kind) as caught:
        apply(sail_session, lake, 1, (people, [{"email": "canary.ann@x.example"}]))
    said = f"{caught.value} {read_ledger(lake.ledger)} {''.join(capfd.readouterr())}"
    assert found_in(said.encode() + contents_below(lake.silver)) == []
