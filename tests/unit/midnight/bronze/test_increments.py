"""What is read of a table tonight, and which batches hold it together."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midnight.bronze.increments import History, ReadPlan, plan_reading
from midnight.bronze.manifest import BronzeColumn, CursorRange, Manifest, ReadFrom, read_manifest
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
from midnight.lake.paths import batch_time, make_batch_id

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def night(number: int) -> str:
    return make_batch_id(NOW.replace(day=number), "scheduled")


def table(cursor_type: str = "timestamp with time zone", **fields: Any) -> Table:
    columns = [{"name": "id", "type": "integer"}, {"name": "at", "source": 'the "at"', "type": cursor_type}]
    base = {"schema": "public", "table": "t", "silver": "t", "key": ["id"], "columns": columns}
    return Table.model_validate({**base, "mode": "incremental", "cursor": "at", **fields})


COLUMNS = (
    BronzeColumn(name="id", source="id", postgres_type="integer", stored_as="integer"),
    BronzeColumn(name="at", source='the "at"', postgres_type="timestamptz", stored_as="timestamp with time zone"),
)


def manifest(batch_id: str, *, follows: str = "", whole: str = "", reached: str | None = "2026-11-01T12:00:00+00:00",
             key: tuple[str, ...] = ("id",), column: str = "at", columns=COLUMNS) -> Manifest:  # fmt: skip
    return Manifest(
        source="s", schema_name="public", table="t", batch_id=batch_id, mode="incremental" if follows else "snapshot",
        cursor=CursorRange(column=column, key=key, reached=reached, follows=follows, whole=whole or batch_id),
        columns=columns, rows=0, files=(), read_from=ReadFrom(server="1", server_version="18", database="d"),
        written_by="operator", run_id="r", started_at=NOW, sealed_at=NOW,
    )  # fmt: skip


def plan(newest: Manifest | None, batch: str = night(2), t: Table | None = None, *, there: bool = True, **options):
    return plan_reading(t or table(), COLUMNS, batch, History(newest, there), **options)


def test_the_rows_since_the_batch_before_and_those_without_a_value():
    reading = plan(manifest(night(1)))
    assert reading.condition("source_row") == (
        '(source_row."the ""at""" >= TIMESTAMP WITH TIME ZONE \'2026-11-01T11:00:00+00:00\' '
        'OR source_row."the ""at""" IS NULL)'
    )
    assert (reading.mode, reading.follows.batch_id) == ("incremental", night(1))
    assert str(reading) == "public.t: rows with at from 2026-11-01T11:00:00+00:00 on are read"


@pytest.mark.parametrize(
    ("newest", "options", "why"),
    [
        (None, {}, "no batch before tells how far its cursor has come"),
        (manifest(night(1), reached=None), {}, "no batch before tells how far its cursor has come"),
        (manifest(night(1)), {"full_reload": True}, "full_reload"),
        (manifest(night(1)), {"there": False}, f"batch {night(1)}, the last with all rows, is gone"),
        (manifest(night(1)), {"t": table(key=["id", "at"])}, f"batch {night(1)} had cursor 'at' and key ['id']"),
        (manifest(night(1), column="other"), {}, f"batch {night(1)} had cursor 'other' and key ['id']"),
        (manifest(night(1), columns=COLUMNS[::-1]), {}, f"its columns are not those of batch {night(1)}"),
        (manifest(night(7), follows=night(6), whole=night(1)), {"batch": night(8)}, "every 7 days"),
    ],
)
def test_when_the_whole_table_is_read(newest, options, why):
    reading = plan(newest, **options)
    assert (reading.mode, reading.condition(), reading.full_read_reason) == ("snapshot", "", why)
    assert reading.cursor_range(CursorExtremes("at")).whole == reading.batch_id


def test_the_week_ends_half_a_day_early_and_never_ends_without_one():
    newest = manifest(night(7), follows=night(6), whole=night(1))
    for hour, mode in ((11, "incremental"), (13, "snapshot")):
        batch = make_batch_id(NOW.replace(day=7, hour=hour), "manual")
        assert plan(newest, batch).mode == mode
    assert plan(newest, night(30), table(full_snapshot_interval_days=0)).mode == "incremental"


def test_a_snapshot_table_has_no_cursor():
    always = table(mode="snapshot", cursor=None)
    assert plan(manifest(night(1)), t=always) == ReadPlan(always, night(2))
    assert ReadPlan(always, night(2)).cursor_range(CursorExtremes(None)) is None


def test_the_highest_value_carries_over_an_increment_that_has_none_or_lower_ones():
    reading = plan(manifest(night(1)))
    extremes = CursorExtremes("at")
    found = reading.cursor_range(extremes)
    assert (found.lowest, found.highest, found.reached) == (None, None, "2026-11-01T12:00:00+00:00")
    assert (found.follows, found.whole, found.since) == (night(1), night(1), "2026-11-01T11:00:00+00:00")

    import pyarrow  # noqa: PLC0415

    for value, reached in (
        (datetime(2026, 11, 1, 11, 30, tzinfo=UTC), "12"),
        (datetime(2026, 11, 1, 13, tzinfo=UTC), "13"),
    ):
        extremes.add(pyarrow.table({"at": pyarrow.array([value, None], pyarrow.timestamp("us", "UTC"))}))
        assert reading.cursor_range(extremes).reached == f"2026-11-01T{reached}:00:00+00:00"


@pytest.mark.parametrize(
    ("kind", "store", "expected"),
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
def test_which_types_can_be_a_cursor(kind, store, expected):
    assert cursor_kind(kind, store) == expected


@given(
    st.one_of(
        st.tuples(st.just("number"), st.integers(-(10**38), 10**38)),
        st.tuples(st.just("date"), st.dates()),
        st.tuples(st.just("timestamp"), st.datetimes()),
        st.tuples(st.just("timestamptz"), st.datetimes(timezones=st.just(UTC))),
    ),
    st.integers(0, 10**12),
)
def test_a_value_survives_as_text_and_steps_back_as_far_as_it_can(given_value, overlap):
    kind, value = given_value
    assert cursor_value(cursor_text(value), kind) == value
    assert cursor_value(step_back(cursor_text(value), kind, 0), kind) == value
    back = cursor_value(step_back(cursor_text(value), kind, overlap), kind)
    assert back <= value
    if kind == "number":
        assert back == value - overlap


def test_text_that_is_no_value_never_becomes_sql():
    assert cursor_literal("-5", "number") == "-5"
    assert cursor_text(Decimal("7")) == "7"
    assert cursor_literal("2026-01-02", "date") == "DATE '2026-01-02'"
    with pytest.raises(ValueError, match="1 OR true"):
        cursor_literal("1 OR true", "number")
    with pytest.raises(ValueError, match="Invalid isoformat"):
        cursor_literal("2026-01-02' OR true --", "date")


def test_overlap_by_type():
    assert [table(kind).overlap for kind in ("bigint", "date", "timestamp", "timestamptz")] == [1000, 1, 3600, 3600]
    assert table("date", cursor_lag=0).overlap == 0


def test_the_time_of_a_batch():
    at = datetime(2026, 11, 1, 2, 3, 4, 567000, tzinfo=UTC)
    assert batch_time(make_batch_id(at, "x")) == at
    assert batch_time(make_batch_id(at.replace(microsecond=5000), "x")) == at.replace(microsecond=5000)
    assert date(2026, 11, 1) == batch_time(night(1)).date()


@pytest.mark.parametrize("change", [{"mode": "incremental"}, {"follows": "b1"}])
def test_a_manifest_that_contradicts_itself_is_none(change):
    text = manifest("b2").to_json()
    for name, value in change.items():
        text = text.replace('"mode": "snapshot"' if name == "mode" else '"follows": ""', f'"{name}": "{value}"')
    with pytest.raises(BronzeError, match="is not a bronze manifest"):
        read_manifest(text, "there")
