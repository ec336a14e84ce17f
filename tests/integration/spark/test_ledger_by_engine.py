"""The ledger of a lake that only the engine reads, as in Azure: here a folder that is named by a URL."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from midnight.lake.ledger import LedgerEntry
from spark_jobs.silver.ledger import Ledger, read_entries

START = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
ENGINES = ["sail_session", pytest.param("spark_session", marks=pytest.mark.spark)]


def entry(number, status, changed="nothing"):
    return LedgerEntry(
        batch_id=f"2026{number:04d}T000000000Z-abcdef01",
        run_id="run",
        attempt_at=START + timedelta(days=number),
        table="flights",
        source_table="public.flights",
        status=status,
        rows_in=5_000_000_000,
        changed=changed,
    )


@pytest.mark.parametrize("engine", ENGINES)
def test_entries_are_the_same_after_they_were_written_and_read(engine, request, tmp_path):
    session, folder = request.getfixturevalue(engine), tmp_path / "ledger"
    entries = [entry(1, "applied", "everything"), entry(2, "applied", "rows"), entry(3, "started")]
    for each in (f"file://{folder}", str(folder)):  # the engine creates and extends the table, delta-rs extends it
        ledger = Ledger(session, each)
        for one in entries if each.startswith("file") else [entry(4, "failed")]:
            ledger.append([one])
    found = {one.batch_id: one for one in read_entries(session, f"file://{folder}")}
    assert list(found.values()) == sorted(found.values(), key=lambda one: one.attempt_at)
    assert list(found.values()) == [*entries, entry(4, "failed")]
    assert read_entries(session, str(folder)) == list(found.values())
