"""The same runs on Sail and on Apache Spark: every table must be equal, row by row."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from midnight.lake.paths import LakePaths
from midnight.masking import MaskingKey
from spark_jobs.runtime.delta_jars import DELTA_PACKAGE, delta_settings, ivy_cache
from spark_jobs.silver.run import build_silver
from tests.support.sealed_batches import batch_id, counts, document, in_order, read_rows, seal, silver_rows, table

TEXTS = [
    *("12", "+5", "-7", "007", " 12 ", "1.5", "1e3", "", "NA", "2147483648", "99999999999999999999", "0x1F", "1_000"),
    *(
        "Infinity",
        "-inf",
        "NaN",
        "1e999",
        ".5",
        "5.",
        "1d",
        "1.250",
        "1.255",
        "123.40",
        "1234.5",
        "-0",
        "1.5" + "0" * 45,
    ),
    *("2013-02-28", "2013-02-30", "2013-2-3", "0000-01-01", "0001-01-01", "9999-12-31", "10000-01-01", "2013"),
    *("2013-02-28 10:11", "2013-02-28T10:11:12.123456", "2013-02-28 10:11:12.1234567", "2013-02-28 24:00:00"),
    *("2013-02-28 10:11:12+02", "2013-02-28 10:11:12 +02:30", "2013-02-28T10:11:12Z", "2013-02-28 10:11:60"),
    *("9999-12-31 23:59:59-02", "0001-01-01 00:00:00+02", "2013-02-28 10:11:12+14:30", "2013-02-28 10:11:12+14"),
    *("true", "T", "yes", "on", "1", "FALSE", "off", "maybe"),
]
TYPES = {
    "i": "integer",
    "b": "bigint",
    "n": "numeric(5,2)",
    "d": "double precision",
    "t": "boolean",
    "y": "date",
    "l": "timestamp without time zone",
    "z": "timestamp with time zone",
}
# One column per type and one row per text and type: the other columns are null, so that one cast decides the row.
CASTS = table(
    "casts",
    {"id": "text", **{name: {"type": "text", "cast": kind} for name, kind in TYPES.items()}},
    key=["id"],
    null_values=["NA"],
)
CAST_ROWS = [{"id": f"{name} {text}", name: text} for name in TYPES for text in TEXTS]
NUMBERS = table(
    "numbers",
    {
        "id": "bigint",
        "small": {"type": "bigint", "cast": "smallint"},
        "cents": {"type": "double precision", "cast": "numeric(6,2)"},
        "whole": {"type": "numeric(10,2)", "cast": "integer"},
        "day": {"type": "timestamp without time zone", "cast": "date"},
        "word": {"type": "numeric(10,2)", "cast": "text"},
        "raw": "bytea",
        "real": "real",
    },
    key=["id"],
)
NOON = datetime(2013, 3, 10, 12, 30, 0, 5, tzinfo=UTC)
NUMBER_ROWS = [
    {"id": 1, "small": 32767, "cents": 1.25, "whole": Decimal("3.00"), "day": NOON.replace(tzinfo=None)},
    {"id": 2, "small": 32768, "cents": 1.0, "whole": Decimal("3.00")},
    {"id": 3, "small": 1, "cents": 1.255},
    {"id": 4, "small": 1, "whole": Decimal("3.50"), "word": Decimal("3.50")},
    {"id": 5, "cents": float("nan"), "raw": b"\x00\xff", "real": 1.5},
    {"id": 6, "cents": 123456.5, "real": float("nan")},
    {"id": 7, "word": Decimal("-0.10"), "raw": b"", "real": 0.1},
]
LOG = table("log", {"a": "double precision", "b": "text", "at": "date"}, duplicates="keep", null_values=["NA"])
LOG_ROWS = [
    {"a": float("nan"), "b": "x", "at": None},
    {"a": float("nan"), "b": "x", "at": None},
    {"a": -0.0, "b": "NA", "at": date(2013, 1, 1)},
    {"a": None, "b": "\u00e4 \u8868", "at": date(1, 1, 1)},
]
PEOPLE = table(
    "people",
    {
        "id": "integer",
        "name": {"type": "text", "nulls": {"fill": "Unknown"}},
        "boss": "integer",
        "born": {"type": "text", "cast": "date"},
        "at": {"type": "integer", "drop": True},
    },
    key=["id"],
    order_by=["at desc"],
    null_values=["NA"],
    checks=[
        {"rule": "foreign_key", "columns": ["boss"], "table": "people", "references": ["id"]},
        {"rule": "unique", "columns": ["name"]},
        {"rule": "accepted_values", "column": "name", "values": ["Unknown", "\u00c5sa", "Bo"], "on_failure": "warn"},
        {"rule": "range", "column": "born", "min": "1900-01-01", "max": "2012-12-31"},
        {"rule": "pattern", "column": "name", "regex": r"\w+", "on_failure": "warn"},
        {"rule": "expression", "name": "adult", "sql": "born IS NULL OR year(born) < 2000", "on_failure": "warn"},
    ],
)
PEOPLE_ROWS = [
    {"id": 1, "name": "Bo", "boss": None, "born": "1950-01-01", "at": 1},
    {"id": 1, "name": "Bob", "boss": None, "born": "1950-01-01", "at": None},
    {"id": 2, "name": "\u00c5sa", "boss": 1, "born": "1890-01-01"},
    {"id": 3, "name": None, "boss": 2, "born": "2005-01-01"},
    {"id": 4, "name": "Bo", "boss": 1, "born": "NA"},
    {"id": 5, "name": "Cy", "boss": 1, "born": "2001-12-31"},
    {"id": None, "name": "nobody"},
]
MASKED = PEOPLE.model_copy(
    update={
        "new_columns": "include",
        "columns": tuple(
            column.model_copy(update={"mask": "pseudonym"}) if column.name in ("name", "born") else column
            for column in PEOPLE.columns
        ),
    }
)
MASKING_KEY = MaskingKey(bytes(range(32)))
FIRST = [(CASTS, CAST_ROWS), (NUMBERS, NUMBER_ROWS), (LOG, LOG_ROWS), (MASKED, PEOPLE_ROWS)]
SECOND = [
    (CASTS, CAST_ROWS),
    (LOG, [*LOG_ROWS[1:], *LOG_ROWS[2:]]),
    (MASKED, [{**PEOPLE_ROWS[2], "born": "1990-01-01"}, *PEOPLE_ROWS[3:], PEOPLE_ROWS[0]]),
]


def apply_batches(session, lake: LakePaths) -> list[dict]:
    result = []
    for number, batches in enumerate((FIRST, SECOND), start=1):
        sealed = [(t, seal(lake, t, number, rows)) for t, rows in batches]
        entries = build_silver(session, document(lake, number, *sealed), MASKING_KEY)
        result.append({e.table: counts(e.verify()) for e in entries})
    return result


def everything(lake: LakePaths) -> dict[str, list[dict]]:
    tables = {t.silver: read_rows(lake.silver_table(t.silver)) for t, _ in FIRST}
    hidden = ("quarantined_at",)
    quarantine = [{k: v for k, v in row.items() if k not in hidden} for row in read_rows(lake.quarantine)]
    return {**tables, "quarantine": in_order({k: row[k] for k in sorted(row)} for row in quarantine)}


@pytest.fixture(scope="module")
def on_sail(sail_session, tmp_path_factory) -> tuple[LakePaths, list[dict]]:
    lake = LakePaths.below(str(tmp_path_factory.mktemp("sail")))
    return lake, apply_batches(sail_session, lake)


def test_the_outcome_of_the_batches(on_sail):
    _, result = on_sail
    assert result[0]["numbers"] == {"inserted": 2, "quarantined": 5}
    assert result[0]["log"] == {"inserted": 4}
    assert result[0]["people"] == {"inserted": 2, "duplicates": 1, "quarantined": 4, "warnings": 1}
    assert result[1]["casts"]["unchanged"] == result[0]["casts"]["inserted"]
    assert result[1]["log"] == {"inserted": 2, "deleted": 1, "unchanged": 3}


ACCEPTED: dict[str, dict[str, Any]] = {
    "i": {"12": 12, "+5": 5, "-7": -7, "007": 7, "12 ": 12, "-0": 0, "2013": 2013, "1": 1},
    "n": {
        **{"12": "12", "+5": "5", "-7": "-7", "007": "7", "1.5": "1.5", ".5": "0.5", "5.": "5", "1.250": "1.25"},
        **{"123.40": "123.4", "-0": "0", "1.5" + "0" * 45: "1.5", "1": "1"},
    },
    "y": {"2013-02-28": date(2013, 2, 28), "0001-01-01": date(1, 1, 1), "9999-12-31": date(9999, 12, 31)},
    "t": {"true": True, "T": True, "yes": True, "on": True, "1": True, "FALSE": False, "off": False},
    "z": {
        "2013-02-28": datetime(2013, 2, 28, tzinfo=UTC),
        "0001-01-01": datetime(1, 1, 1, tzinfo=UTC),
        "9999-12-31": datetime(9999, 12, 31, tzinfo=UTC),
        "2013-02-28 10:11": datetime(2013, 2, 28, 10, 11, tzinfo=UTC),
        "2013-02-28T10:11:12.123456": datetime(2013, 2, 28, 10, 11, 12, 123456, tzinfo=UTC),
        "2013-02-28 10:11:12+02": datetime(2013, 2, 28, 8, 11, 12, tzinfo=UTC),
        "2013-02-28 10:11:12 +02:30": datetime(2013, 2, 28, 7, 41, 12, tzinfo=UTC),
        "2013-02-28T10:11:12Z": datetime(2013, 2, 28, 10, 11, 12, tzinfo=UTC),
        "2013-02-28 10:11:12+14": datetime(2013, 2, 27, 20, 11, 12, tzinfo=UTC),
    },
}


def test_masked_columns_are_pseudonyms(on_sail):
    lake, _ = on_sail
    found = {row["id"]: (row["name"], row["born"]) for row in silver_rows(lake, MASKED)}
    values = {
        1: ("Bo", "1950-01-01"),
        2: ("\u00c5sa", "1990-01-01"),
        3: ("Unknown", "2005-01-01"),
        5: ("Cy", "2001-12-31"),
    }
    assert found == {i: tuple(map(MASKING_KEY.pseudonym, texts)) for i, texts in values.items()}


@pytest.mark.parametrize("name", ACCEPTED)
def test_texts_that_are_values(on_sail, name):
    lake, _ = on_sail
    found = {
        row["id"].removeprefix(f"{name} ").strip(): row[name]
        for row in silver_rows(lake, CASTS)
        if row["id"].startswith(f"{name} ") and row[name] is not None
    }
    expected = {text.strip(): Decimal(v) if name == "n" else v for text, v in ACCEPTED[name].items()}
    assert found == expected


@pytest.mark.spark
def test_apache_spark_gives_the_same_tables(on_sail, spark_session, lake):
    sail_lake, on_sail_counts = on_sail
    assert apply_batches(spark_session, lake) == on_sail_counts
    spark_tables, sail_tables = everything(lake), everything(sail_lake)
    for name, rows in sail_tables.items():
        # As text: NaN is not equal to itself.
        assert [str(row) for row in spark_tables[name]] == [str(row) for row in rows], name


@pytest.mark.spark
def test_one_engine_continues_the_tables_of_the_other(sail_session, spark_session, lake):
    """A team may switch MIDNIGHT_ENGINE at any time."""
    engines = [sail_session, spark_session, sail_session]
    rows = [{"id": i, "name": f"n{i}", "born": None} for i in range(20)]
    people = PEOPLE.model_copy(update={"checks": ()})
    for number, session in enumerate(engines, start=1):
        changed = [{**row, "name": "changed" if row["id"] < number else row["name"]} for row in rows[: 20 - number]]
        (entry,) = build_silver(session, document(lake, number, (people, seal(lake, people, number, changed))))
        assert entry.silver_after == 20 - number
        assert entry.imbalance == ""
    newest = [row["id"] for row in read_rows(lake.silver_table("people")) if row["_midnight_batch_id"] == batch_id(3)]
    assert newest == [2]


@pytest.mark.spark
def test_delta_is_not_resolved_again_after_the_first_session(spark_session):
    """If this fails after an update, the list of jars is not that of the new release."""
    assert DELTA_PACKAGE.split(":")[-1] in delta_settings(ivy_cache())["spark.driver.extraClassPath"]
