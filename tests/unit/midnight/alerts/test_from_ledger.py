"""Which rows in quarantine and which warnings are reported."""

from __future__ import annotations

from datetime import UTC, datetime

from midnight.alerts.from_ledger import notices
from midnight.configuration.alerts import Alerts
from midnight.lake.ledger import LedgerEntry


def entry(batch: str, **counts: int) -> LedgerEntry:
    return LedgerEntry(
        batch_id=batch,
        run_id=batch,
        attempt_at=datetime(2026, 1, int(batch), tzinfo=UTC),
        table="airports",
        source_table="public.airports",
        status="applied",
        **counts,
    )


def found(before: LedgerEntry | None, now: LedgerEntry, **settings: float) -> list[tuple[str, str]]:
    earlier = {} if before is None else {before.table: before}
    return [(notice.event, notice.text) for notice in notices([now], earlier, Alerts(**settings))]


def test_new_rows_in_quarantine_are_reported_once():
    first = entry("01", rows_in=1000, quarantined=3)
    assert found(None, first) == [("quarantine", "airports: 3 of 1,000 rows in quarantine (0.3 %, +3)")]
    assert found(first, entry("02", rows_in=1000, quarantined=3)) == []
    assert found(first, entry("02", rows_in=1000, quarantined=4)) == [
        ("quarantine", "airports: 4 of 1,000 rows in quarantine (0.4 %, +1)")
    ]


def test_a_share_above_the_limit_is_reported_each_time():
    same = entry("01", rows_in=100, quarantined=3)
    assert found(same, entry("02", rows_in=100, quarantined=3)) == [
        ("quarantine", "airports: 3 of 100 rows in quarantine (3 %, as before)")
    ]
    assert found(same, entry("02", rows_in=100, quarantined=3), quarantine_percent=5) == []


def test_a_share_of_all_rows_is_100_percent():
    [(_, text)] = found(None, entry("01", rows_in=1000, quarantined=1000))
    assert text == "airports: 1,000 of 1,000 rows in quarantine (100 %, +1,000)"


def test_changed_columns_are_reported():
    now = entry("02", rows_in=100).model_copy(update={"schema_changes": "column 'gust' was added"})
    told = [("schema_changed", "airports: column 'gust' was added")]
    assert found(None, now) == told
    assert found(entry("01", rows_in=100), now) == told
    assert found(now, now) == [], "the batch of the run before"


def test_warnings_are_reported_only_with_a_limit():
    now = entry("02", rows_in=100, warnings=17)
    assert found(None, now) == []
    assert found(None, now, warnings_percent=15) == [
        ("warnings", "airports: 17 of 100 rows with warnings (17 %; the limit is 15 %)")
    ]


def test_what_a_person_has_released_is_always_reported():
    text = "small: released by maria at 2026-11-30 07:00 UTC: the board meets at 8"
    assert found(None, entry("01", rows_in=1000, released=text)) == [("warnings", f"airports: {text}")]


def test_the_first_warnings_of_a_table_are_reported_without_a_limit():
    clean, warned = entry("01", rows_in=100), entry("02", rows_in=100, warnings=3)
    assert found(clean, warned) == [("warnings", "airports: 3 of 100 rows with warnings (3 %; none in the run before)")]
    assert found(warned, entry("03", rows_in=100, warnings=5)) == []
    assert found(None, warned) == []  # the first load
    assert found(warned, entry("03", rows_in=100, warnings=5), warnings_percent=4) == [
        ("warnings", "airports: 5 of 100 rows with warnings (5 %; the limit is 4 %)")
    ]
