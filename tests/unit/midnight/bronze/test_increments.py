"""Read plans of incremental tables, and the batches that together hold a table."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midnight.bronze.batch_id import make_batch_id
from midnight.bronze.increments import History, ReadPlan, plan_read
from midnight.bronze.manifest import BronzeColumn, CursorRange, Manifest, ReadFrom, parse_manifest
from midnight.bronze.schema_changes import SourceTableSchema
from midnight.configuration.cursors import (
    CursorExtremes,
    cursor_kind,
    cursor_literal,
    cursor_text,
    cursor_value,
    step_back,
)
from midnight.configuration.tables import Table
from midnight.errors import BronzeError

NOW = datetime(2026, 11, 1, tzinfo=UTC)
NO_SNAPSHOT = f"batch {make_batch_id(NOW, 'scheduled')} was not read in a snapshot"


def batch_of_day(number: int) -> str:
    return make_batch_id(NOW.replace(day=number), "scheduled")


def table(cursor_type: str = "timestamp with time zone", **fields: Any) -> Table:
    columns = [{"name": "id", "type": "integer"}, {"name": "at", "source": 'the "at"', "type": cursor_type}]
    base = {"schema": "public", "table": "t", "silver": "t", "key": ["id"], "columns": columns}
    return Table.model_validate({**base, "mode": "incremental", "cursor": "at", **fields})


COLUMNS = (
    BronzeColumn(name="id", source="id", postgres_type="integer", stored_as="integer"),
    BronzeColumn(name="at", source='the "at"', postgres_type="timestamptz", stored_as="timestamp with time zone"),
)


def manifest(
    batch_id: str,
    *,
    follows: str = "",
    full_snapshot: str = "",
    reached: str | None = "2026-11-01T12:00:00+00:00",
    key: tuple[str, ...] = ("id",),
    column: str = "at",
    columns=COLUMNS,
) -> Manifest:
    full_snapshot = full_snapshot or batch_id
    return Manifest(
        source="s", schema_name="public", table="t", batch_id=batch_id, mode="incremental" if follows else "snapshot",
        cursor=CursorRange(column=column, key=key, reached=reached, follows=follows, full_snapshot=full_snapshot),
        columns=columns, rows=0, files=(), read_from=ReadFrom(server="1", server_version="18", database="d"),
        written_by="operator", run_id="r", started_at=NOW, sealed_at=NOW,
    )  # fmt: skip


def plan(
    newest: Manifest | None,
    batch: str = batch_of_day(2),
    t: Table | None = None,
    *,
    full_snapshot_available: bool = True,
    **options,
):
    history = History(newest, full_snapshot_available)
    return plan_read(t or table(), SourceTableSchema(COLUMNS), batch, history, **options)


def test_an_increment_reads_rows_since_the_last_batch_and_rows_without_a_value():
    read_plan = plan(manifest(batch_of_day(1)))
    assert read_plan.condition("source_row") == (
        '(source_row."the ""at""" >= TIMESTAMP WITH TIME ZONE \'2026-11-01T11:00:00+00:00\' '
        'OR source_row."the ""at""" IS NULL)'
    )
    assert (read_plan.mode, read_plan.follows.batch_id) == ("incremental", batch_of_day(1))
    assert str(read_plan) == "public.t: reading rows with at >= 2026-11-01T11:00:00+00:00"


@pytest.mark.parametrize(
    ("newest", "options", "reason"),
    [
        (None, {}, "there is no earlier batch"),
        (
            manifest(batch_of_day(1), reached=None),
            {},
            f"batch {batch_of_day(1)} has no value of cursor 'at', and {NO_SNAPSHOT}",
        ),
        (manifest(batch_of_day(1)), {"full_reload": True}, "full_reload"),
        (
            manifest(batch_of_day(1)),
            {"full_snapshot_available": False},
            f"batch {batch_of_day(1)}, the last full snapshot, was deleted",
        ),
        (
            manifest(batch_of_day(2), follows=batch_of_day(1), full_snapshot=batch_of_day(1)),
            {"t": table(key=["id", "at"])},
            "increments were read with key ['id'], and a row may have changed its ['id', 'at'] since",
        ),
        (
            manifest(batch_of_day(1), column="other"),
            {},
            f"batch {batch_of_day(1)} has no value of cursor 'at', and {NO_SNAPSHOT}",
        ),
        (
            manifest(batch_of_day(1), columns=COLUMNS[:1]),
            {},
            f"since batch {batch_of_day(1)}: column {COLUMNS[1].source!r} is new",
        ),
        (
            manifest(batch_of_day(7), follows=batch_of_day(6), full_snapshot=batch_of_day(1)),
            {"batch": batch_of_day(8)},
            "full_snapshot_interval_days: 7",
        ),
    ],
)
def test_when_a_full_snapshot_is_read(newest, options, reason):
    read_plan = plan(newest, **options)
    assert (read_plan.mode, read_plan.condition(), read_plan.full_read_reason) == ("snapshot", "", reason)
    assert read_plan.cursor_range(CursorExtremes("at")).full_snapshot == read_plan.batch_id


def test_the_interval_of_full_snapshots_has_a_tolerance_of_half_a_day():
    newest = manifest(batch_of_day(7), follows=batch_of_day(6), full_snapshot=batch_of_day(1))
    for hour, mode in ((11, "incremental"), (13, "snapshot")):
        batch = make_batch_id(NOW.replace(day=7, hour=hour), "manual")
        assert plan(newest, batch).mode == mode
    assert plan(newest, batch_of_day(30), table(full_snapshot_interval_days=0)).mode == "incremental"


def test_a_snapshot_table_has_no_cursor():
    snapshot = table(mode="snapshot", cursor=None)
    newest = manifest(batch_of_day(1))
    assert plan(newest, t=snapshot) == ReadPlan(snapshot, batch_of_day(2), newest=newest)
    assert ReadPlan(snapshot, batch_of_day(2)).cursor_range(CursorExtremes(None)) is None


def test_the_reached_value_never_decreases():
    read_plan = plan(manifest(batch_of_day(1)))
    extremes = CursorExtremes("at")
    found = read_plan.cursor_range(extremes)
    assert (found.lowest, found.highest, found.reached) == (None, None, "2026-11-01T12:00:00+00:00")
    assert (found.follows, found.full_snapshot, found.since) == (
        batch_of_day(1),
        batch_of_day(1),
        "2026-11-01T11:00:00+00:00",
    )

    import pyarrow

    for value, reached in (
        (datetime(2026, 11, 1, 11, 30, tzinfo=UTC), "12"),
        (datetime(2026, 11, 1, 13, tzinfo=UTC), "13"),
    ):
        extremes.add(pyarrow.table({"at": pyarrow.array([value, None], pyarrow.timestamp("us", "UTC"))}))
        assert read_plan.cursor_range(extremes).reached == f"2026-11-01T{reached}:00:00+00:00"


@pytest.mark.parametrize(
    ("kind", "bronze_type", "expected"),
    [
        ("smallint", None, "number"),
        ("int8", None, "number"),
        ("numeric(20)", None, "number"),
        ("numeric", "bigint", "number"),
        ("date", None, "date"),
        ("timestamp(3)", None, "timestamp"),
        ("timestamptz", None, "timestamptz"),
        ("numeric", None, None),
        ("numeric(20,2)", None, None),
        ("numeric(39,0)", None, None),
        ("text", None, None),
        ("text", "bigint", None),
        ("oid", None, None),
        ("money", None, None),
        ("timestamptz", "timestamp", None),
        ("timestamptz", "text", None),
        ("timestamptz", "date", None),
        ("double precision", None, None),
    ],
)
def test_types_that_can_be_a_cursor(kind, bronze_type, expected):
    assert cursor_kind(kind, bronze_type) == expected


@given(
    st.one_of(
        st.tuples(st.just("number"), st.integers(-(10**38), 10**38)),
        st.tuples(st.just("date"), st.dates()),
        st.tuples(st.just("timestamp"), st.datetimes()),
        st.tuples(st.just("timestamptz"), st.datetimes(timezones=st.just(UTC))),
    ),
    st.integers(0, 10**12),
)
def test_a_value_survives_as_text_and_steps_back(given_value, overlap):
    kind, value = given_value
    assert cursor_value(cursor_text(value), kind) == value
    assert cursor_value(step_back(cursor_text(value), kind, 0), kind) == value
    back = cursor_value(step_back(cursor_text(value), kind, overlap), kind)
    assert back <= value
    if kind == "number":
        assert back == value - overlap


def test_text_that_is_not_a_value_never_becomes_sql():
    assert cursor_literal("-5", "number") == "-5"
    assert cursor_text(Decimal("7")) == "7"
    assert cursor_literal("2026-01-02", "date") == "DATE '2026-01-02'"
    with pytest.raises(ValueError, match="1 OR true"):
        cursor_literal("1 OR true", "number")
    with pytest.raises(ValueError, match="Invalid isoformat"):
        cursor_literal("2026-01-02' OR true --", "date")


def test_default_cursor_lag_by_type():
    assert [table(kind).effective_cursor_lag for kind in ("bigint", "date", "timestamp", "timestamptz")] == [
        1000,
        1,
        3600,
        3600,
    ]
    assert table("date", cursor_lag=0).effective_cursor_lag == 0


B1 = manifest("b1")
B2, B4 = (manifest(b, follows=follows, full_snapshot="b1") for b, follows in (("b2", "b1"), ("b4", "b2")))
B3 = manifest("b3", follows="b2", full_snapshot="b1")  # sealed after b4, because an old run was cleared
B5, B6 = manifest("b5"), manifest("b6", follows="b5", full_snapshot="b5")


@pytest.mark.parametrize("change", [{"mode": "incremental"}, {"follows": "b1"}])
def test_a_contradictory_manifest_is_rejected(change):
    text = manifest("b2").to_json()
    for name, value in change.items():
        text = text.replace('"mode": "snapshot"' if name == "mode" else '"follows": ""', f'"{name}": "{value}"')
    with pytest.raises(BronzeError, match="is not a bronze manifest"):
        parse_manifest(text, "path")
