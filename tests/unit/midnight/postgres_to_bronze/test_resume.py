"""When ranges of an earlier try can be compared with a snapshot at all."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from midnight.bronze.manifest import BronzeFile
from midnight.bronze.unfinished import FinishedRange, ReadPlace, UnfinishedRead
from midnight.postgres_to_bronze.read_place import SnapshotPlace
from midnight.postgres_to_bronze.resume import _start_again_reason

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PLACE = ReadPlace(cluster="1", timeline=1, database=5, in_recovery=False, storage={10: 11}, query="q")
STANDBY = PLACE.model_copy(update={"in_recovery": True})


def reason(earlier: str, now: str, here: ReadPlace = PLACE, before: ReadPlace = PLACE) -> str:
    file = BronzeFile(name="part-0.parquet", rows=1, bytes=4, sha256="")
    record = UnfinishedRead(
        source="s",
        schema_name="public",
        table="t",
        batch_id="b",
        place=before,
        ranges=("",),
        finished=(FinishedRange(number=0, file=file, snapshot=earlier, read_at=NOW),),
        updated_at=NOW,
    )
    return _start_again_reason(record, here, SnapshotPlace(now, here.in_recovery, 0.0, {"public.t": here}))


@pytest.mark.parametrize(
    ("earlier", "now", "expected"),
    [
        ("100:120:", "100:130:", ""),
        ("100:100:", "100:100:", ""),  # nothing happened
        ("100:120:", "100:119:", "does not show yet"),  # a restored server has fewer transactions
        ("100:100:", "1999999999:2000000099:", ""),
        ("100:100:", "2000000100:2000000100:", "2,000,000,000 transactions"),
        # The upper halves are epochs: after a wraparound, and 2^32 transactions later.
        (f"{2**32 - 5}:{2**32 - 5}:", f"{2**32 + 5}:{2**32 + 5}:", ""),
        ("100:100:", f"{2**32 + 100}:{2**32 + 100}:", "2,000,000,000 transactions"),
    ],
)
def test_transaction_ids_must_mean_the_same(earlier, now, expected):
    found = reason(earlier, now)
    assert expected in found
    assert bool(found) == bool(expected)


def test_a_standby_must_show_all_that_was_read_then():
    assert "does not show yet" in reason("100:120:", "110:130:", here=STANDBY)
    assert "does not show yet" in reason("100:120:", "110:130:", before=STANDBY)
    assert reason("100:120:", "120:130:", here=STANDBY) == ""
