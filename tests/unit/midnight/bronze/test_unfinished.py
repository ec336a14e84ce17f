"""What a failed try leaves: its complete files until another try comes back, or a day has passed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from midnight.bronze.batches import BronzeStore
from midnight.bronze.manifest import BronzeFile, CursorRange
from midnight.bronze.unfinished import (
    ABANDONED_AFTER,
    FinishedRange,
    ReadPlace,
    UnfinishedReads,
    remove_abandoned,
)
from midnight.lake.files import open_local_lake
from midnight.lake.paths import LakePaths
from tests.support.sealed_batches import batch_id, seal, table

NOW = datetime(2026, 1, 1, tzinfo=UTC)
KEYED = table("t", {"id": "integer"}, key=["id"], mode="incremental", cursor="id", deletes="keys")
T, OTHER = table("t", {"id": "integer"}), table("other", {"id": "integer"})
PLACE = ReadPlace(cluster="1", timeline=1, database=5, in_recovery=False, storage={10: 11}, query="q")


@pytest.fixture
def bronze(tmp_path):
    return BronzeStore(open_local_lake(), LakePaths.below(str(tmp_path)), "test")


def unfinished(bronze: BronzeStore, number: int, *names: str, at: datetime = NOW) -> UnfinishedReads:
    """Records of a batch whose table t has these complete files."""
    reads = UnfinishedReads(bronze, "main", batch_id(number))
    finished = []
    for index, name in enumerate(names):
        path = f"{bronze.batch_folder(T, batch_id(number))}/{name}"
        bronze.lake.write_text(path, "rows")
        file = BronzeFile(name=name, rows=1, bytes=4, sha256="")
        finished.append(FinishedRange(number=index, file=file, snapshot="1:1:", read_at=at))
    record = reads.new_record(T, PLACE, ["", ""], at)
    reads.write(record.model_copy(update={"finished": tuple(finished)}))
    return reads


def names(bronze: BronzeStore, number: int) -> list[str]:
    return bronze.lake.list_names(bronze.batch_folder(T, batch_id(number)))


def test_only_incomplete_files_are_deleted(bronze):
    reads = unfinished(bronze, 1, "part-0-old.parquet")
    for of, name in ((T, "part-1-old.parquet"), (OTHER, "part-0-old.parquet")):
        bronze.lake.write_text(f"{bronze.batch_folder(of, batch_id(1))}/{name}", "half")
    reads.delete_incomplete([T, OTHER])
    assert names(bronze, 1) == ["part-0-old.parquet"]
    assert bronze.lake.list_names(bronze.batch_folder(OTHER, batch_id(1))) == []


def test_a_damaged_sealed_batch_is_deleted_as_a_whole(bronze):
    reads = unfinished(bronze, 1, "part-0-old.parquet")
    seal(bronze.paths, T, 1, [{"id": 1}])
    reads.delete_incomplete([T])
    assert names(bronze, 1) == []


def test_a_try_that_lost_deletes_its_own_files_from_the_batch_that_another_has_sealed(bronze):
    reads = UnfinishedReads(bronze, "main", batch_id(1))
    seal(bronze.paths, T, 1, [{"id": 1}])
    sealed = names(bronze, 1)
    bronze.lake.write_text(f"{bronze.batch_folder(T, batch_id(1))}/part-00000-abcd.parquet", "rows")
    reads.clean_up([T], "abcd")
    assert names(bronze, 1) == sealed


def test_a_try_that_lost_leaves_no_record_of_a_sealed_table(bronze):
    reads = unfinished(bronze, 1, "part-00000-abcd.parquet")
    manifest = seal(bronze.paths, T, 1, [{"id": 1}])
    reads.clean_up([T, OTHER], "abcd")  # the other table has not changed, and gets no batch
    assert set(names(bronze, 1)) == {"_manifest.json", *(file.name for file in manifest.files)}
    assert bronze.lake.list_names(bronze.paths.run_documents) == []


def test_a_try_that_fails_keeps_what_the_next_one_can_use(bronze):
    reads = unfinished(bronze, 1, "part-00000-abcd.parquet")
    bronze.lake.write_text(f"{bronze.batch_folder(T, batch_id(1))}/part-00001-abcd.parquet", "half")
    reads.clean_up([T, OTHER], "abcd")
    assert names(bronze, 1) == ["part-00000-abcd.parquet"]
    assert set(reads.read_all([T, OTHER])) == {"public.t"}


def test_a_try_that_fails_after_it_has_sealed_keeps_its_rows_and_its_list_of_keys(bronze):
    reads = UnfinishedReads(bronze, "main", batch_id(1))
    cursor = CursorRange(column="id", key=("id",), follows=batch_id(0), full_snapshot=batch_id(0))
    manifest = seal(bronze.paths, KEYED, 1, [{"id": 1}], cursor=cursor, keys=[{"id": 1}, {"id": 2}])
    of_the_try = {name.rpartition("-")[2] for name in names(bronze, 1) if name.endswith(".parquet")}
    for ending in of_the_try:
        reads.clean_up([KEYED], ending.removesuffix(".parquet"))
    bronze.verify_batch(manifest)


def test_an_abandoned_read_is_deleted_after_a_day(bronze):
    unfinished(bronze, 1, "part-0.parquet", at=NOW - ABANDONED_AFTER)
    unfinished(bronze, 2, "part-0.parquet", at=NOW - ABANDONED_AFTER + timedelta(seconds=1))
    unfinished(bronze, 3, "part-0.parquet", at=NOW - ABANDONED_AFTER)
    seal(bronze.paths, T, 4, [{"id": 1}])
    unfinished(bronze, 4, at=NOW - ABANDONED_AFTER)
    assert remove_abandoned(bronze, NOW, keep=batch_id(3)) == [bronze.batch_folder(T, batch_id(1))]
    assert [bool(names(bronze, number)) for number in (1, 2, 3, 4)] == [False, True, True, True]
    left = [name for name in bronze.lake.list_names(bronze.paths.run_documents) if name.endswith(".unfinished")]
    assert [name[:8] for name in left] == [batch_id(2)[:8], batch_id(3)[:8]]


def test_a_record_of_another_version_is_ignored(bronze):
    reads = unfinished(bronze, 1, "part-0.parquet")
    assert set(reads.read_all([T, OTHER])) == {"public.t"}
    path = bronze.paths.unfinished_read("test", "main", batch_id(1), "public", "t")
    bronze.lake.write_text(path, '{"format": 7}')
    assert reads.read_all([T, OTHER]) == {}
    reads.remove()
    assert bronze.lake.list_names(bronze.paths.run_documents) == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"cluster": "2"}, "the server is another one"),
        ({"timeline": 2}, "timeline 2 instead of 1, after a failover"),
        ({"database": 6}, "the database was created again"),
        ({"storage": {10: 12}}, "truncated, rewritten or created again"),
        ({"storage": {10: 11, 20: 21}}, "truncated, rewritten or created again"),
        ({"query": "other"}, "its definition or its configuration has changed"),
        ({"in_recovery": True}, ""),
    ],
)
def test_a_read_at_another_place_is_worth_nothing(change, reason):
    assert reason in PLACE.difference(PLACE.model_copy(update=change))
    assert bool(PLACE.difference(PLACE.model_copy(update=change))) == bool(reason)
