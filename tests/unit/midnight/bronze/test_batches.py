"""Sealed batches, the batches that a run applies, and changed or missing files."""

from __future__ import annotations

import hashlib
import shutil
from datetime import UTC, datetime
from pathlib import Path
from unittest import mock

import pyarrow
import pytest
from pyarrow import parquet

from midnight.bronze.batches import BronzeStore
from midnight.bronze.earlier_sealings import complete_earlier_sealings
from midnight.bronze.manifest import BronzeColumn, BronzeFile, CursorRange, Manifest, ReadFrom, parse_manifest
from midnight.configuration.columns import Column
from midnight.configuration.files import Configuration
from midnight.configuration.pipeline import Pipeline
from midnight.configuration.source import Source
from midnight.configuration.tables import Table
from midnight.errors import BronzeError, LakeError
from midnight.lake.files import LocalLakeFiles, open_local_lake
from midnight.lake.paths import LakePaths
from midnight.run.document import RunDocument
from midnight.run.plan import RunRequest, plan_run
from midnight.run.run_configuration import RunConfiguration

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def store(paths: LakePaths) -> BronzeStore:
    return BronzeStore(open_local_lake(), paths, "shop")


def table(name: str) -> Table:
    return Table(schema="public", table=name, silver=name, columns=[Column(name="id", type="integer")])


ORDERS, LINES = TABLES = [table("orders"), table("lines")]


def configuration(*tables: Table) -> RunConfiguration:
    return RunConfiguration(Configuration(Pipeline(source=Source(name="shop")), tables), ())


def write_batch(paths: LakePaths, name: str, batch_id: str, rows: int = 3) -> Manifest:
    """Write the files of a batch without sealing it."""
    path = Path(paths.batch("shop", "public", name, batch_id)) / "part-00000-00000000.parquet"
    path.parent.mkdir(parents=True)
    parquet.write_table(pyarrow.table({"id": pyarrow.array(range(rows), pyarrow.int32())}), path)
    content = path.read_bytes()
    file = BronzeFile(name=path.name, rows=rows, bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
    return Manifest(
        source="shop",
        schema_name="public",
        table=name,
        batch_id=batch_id,
        columns=(BronzeColumn(name="id", source="id", postgres_type="integer", stored_as="integer"),),
        rows=rows,
        files=(file,),
        read_from=ReadFrom(server="1", server_version="18.6", database="shop"),
        written_by="operator",
        run_id="r",
        started_at=NOW,
        sealed_at=NOW,
    )


@pytest.fixture
def paths(tmp_path) -> LakePaths:
    paths = LakePaths.below(str(tmp_path))
    for batch_id in ("b1", "b2", "b4"):
        store(paths).seal_group("main", [write_batch(paths, "orders", batch_id)])
    store(paths).seal_group("main", [write_batch(paths, "lines", "b1")])
    write_batch(paths, "orders", "b3")  # never sealed
    return paths


def planned(document: RunDocument) -> dict[str, list[str]]:
    return {work.table.silver: [batch.batch_id for batch in work.batches] for work in document.tables}


def test_sealed_batches_are_sorted(paths):
    assert [m.batch_id for m in store(paths).sealed_batches(ORDERS)] == ["b1", "b2", "b4"]
    assert store(paths).sealed_batches(table("nothing")) == []
    assert store(paths).newest_sealed_batch(ORDERS).batch_id == "b4"
    assert store(paths).newest_sealed_batch(ORDERS, not_after="b3").batch_id == "b2"
    assert store(paths).newest_sealed_batch(ORDERS, not_after="b0") is None
    assert store(paths).newest_sealed_batch(ORDERS, not_after="b2").batch_id == "b2"
    assert store(paths).newest_sealed_batch(ORDERS, before="b2").batch_id == "b1"


@pytest.mark.parametrize(
    ("batch_id", "rebuild", "expected"),
    [
        ("b1", False, {"orders": ["b1"], "lines": ["b1"]}),
        ("b3", False, {"orders": ["b2"], "lines": ["b1"]}),
        ("b5", False, {"orders": ["b4"], "lines": ["b1"]}),
        ("b5", True, {"orders": ["b1", "b2", "b4"], "lines": ["b1"]}),
    ],
)
def test_the_batches_that_a_run_applies(paths, batch_id, rebuild, expected):
    document = plan_run(RunRequest(batch_id, "run", rebuild=rebuild), configuration(*TABLES), store(paths))
    assert planned(document) == expected
    written = Path(paths.run_document(batch_id)).read_text()
    assert RunDocument.model_validate_json(written) == document


def test_all_tables_without_a_batch_are_named(paths):
    with pytest.raises(BronzeError, match=r"no sealed bronze batch of public\.lines, public\.x up to b01"):
        plan_run(RunRequest("b01", "run"), configuration(table("lines"), table("x")), store(paths))
    assert not Path(paths.run_document("b01")).exists()


def test_a_missing_or_truncated_file_stops_planning(paths):
    part = Path(paths.batch("shop", "public", "orders", "b4")) / "part-00000-00000000.parquet"
    part.write_bytes(part.read_bytes()[:-1])
    with pytest.raises(BronzeError, match=r"of batch b4 has \d+ bytes instead of \d+; hint: clear the ingest task"):
        plan_run(RunRequest("b5", "run"), configuration(*TABLES), store(paths))
    part.unlink()
    with pytest.raises(BronzeError, match="of batch b4 is missing"):
        plan_run(RunRequest("b5", "run"), configuration(*TABLES), store(paths))


def test_a_changed_byte_is_detected_when_the_content_is_read(paths):
    """Wherever it is: in the footer it makes the file unreadable, and the cleared ingest task must read it again."""
    manifest = store(paths).newest_sealed_batch(ORDERS)
    part = Path(manifest.file_paths(paths)[0])
    original = part.read_bytes()
    for place in range(0, len(original), 7):
        content = bytearray(original)
        content[place] ^= 0xFF
        part.write_bytes(content)
        store(paths).verify_batch(manifest, content=False)
        with pytest.raises(BronzeError, match="was changed"):
            store(paths).verify_batch(manifest)
        assert store(paths).intact_manifest(ORDERS, manifest.batch_id) is None


def test_nothing_is_sealed_while_a_file_of_the_group_is_missing(tmp_path):
    paths = LakePaths.below(str(tmp_path))
    manifests = [write_batch(paths, name, "b1") for name in ("orders", "lines")]
    Path(manifests[1].file_paths(paths)[0]).unlink()
    with pytest.raises(BronzeError, match="is missing"):
        store(paths).seal_group("main", manifests)
    assert store(paths).sealed_batches(ORDERS) == []


def test_a_manifest_with_wrong_row_counts_is_rejected(paths):
    """The files are unchanged: the writer counted wrong, or the manifest was edited."""
    manifest = store(paths).newest_sealed_batch(ORDERS)
    wrong = manifest.model_copy(update={"files": (manifest.files[0].model_copy(update={"rows": 2}),), "rows": 2})
    with pytest.raises(BronzeError, match=r"of batch b4 has 3 rows instead of 2; hint: clear the ingest task"):
        store(paths).verify_batch(wrong)
    contradicting = manifest.model_copy(update={"rows": 4})
    with pytest.raises(BronzeError, match=r"has rows=4, but 3 rows in its files; hint: delete the batch folder"):
        parse_manifest(contradicting.to_json(), "path")


def test_the_first_of_two_attempts_wins_and_the_group_is_not_mixed(tmp_path):
    paths = LakePaths.below(str(tmp_path))
    first = [write_batch(paths, name, "b1") for name in ("orders", "lines")]
    store(paths).seal_group("main", first[1:])
    second = [manifest.model_copy(update={"run_id": "another attempt"}) for manifest in first]
    with pytest.raises(BronzeError, match=r"public\.lines: batch b1 was already sealed in .*, by run 'r' \(operator\)"):
        store(paths).seal_group("main", second)
    assert store(paths).sealed_batches(LINES) == first[1:]
    assert store(paths).sealed_batches(ORDERS) == []
    kept = {file.name for file in first[1].files}
    assert store(paths).files_in_use("main", [ORDERS, LINES], "b1") == [None, kept]  # the sealing has ended


def test_files_of_a_sealing_that_has_begun_are_in_use(tmp_path, monkeypatch):
    paths = LakePaths.below(str(tmp_path))
    manifest = write_batch(paths, "orders", "b1")
    monkeypatch.setattr(BronzeStore, "_write_manifest", mock.Mock(side_effect=LakeError("disk full")))
    with pytest.raises(LakeError):
        store(paths).seal_group("main", [manifest])
    assert not store(paths).is_sealed(ORDERS, "b1")
    used = store(paths).files_in_use("main", [ORDERS, LINES], "b1")
    assert used == [{file.name for file in manifest.files}, None]


def test_the_next_run_completes_a_sealing_that_was_cut_off(tmp_path, monkeypatch):
    paths, write = LakePaths.below(str(tmp_path)), BronzeStore._write_manifest
    manifests = [write_batch(paths, name, "b1") for name in ("orders", "lines")]

    def only_the_first(bronze, manifest):
        if manifest.table != "orders":
            raise LakeError("killed")
        write(bronze, manifest)

    with monkeypatch.context() as patch:
        patch.setattr(BronzeStore, "_write_manifest", only_the_first)
        with pytest.raises(LakeError):
            store(paths).seal_group("main", manifests)
    Path(paths.unfinished_reads("shop", "main", "b1")).mkdir(parents=True)
    Path(paths.unfinished_read("shop", "main", "b1", "public", "orders")).write_text("{}")
    assert not store(paths).is_sealed(LINES, "b1")
    Path(paths.batch("shop", "public", "lines", "b1"), ".manifest.tmp").write_text("half")
    assert complete_earlier_sealings(store(paths), "main", "b1") == []  # the run itself does it
    (line,) = complete_earlier_sealings(store(paths), "main", "b2")
    assert line.startswith("completed the sealing of batch b1")
    assert [store(paths).newest_sealed_batch(each) for each in (ORDERS, LINES)] == manifests
    assert not Path(paths.batch("shop", "public", "lines", "b1"), ".manifest.tmp").exists()
    assert list(Path(paths.run_documents).iterdir()) == []


def test_a_sealing_that_another_try_has_overtaken_is_given_up(tmp_path, monkeypatch):
    paths = LakePaths.below(str(tmp_path))
    manifest = write_batch(paths, "orders", "b1")
    with monkeypatch.context() as patch:
        patch.setattr(BronzeStore, "_write_manifest", mock.Mock(side_effect=LakeError("killed")))
        with pytest.raises(LakeError):
            store(paths).seal_group("main", [manifest])
    other = manifest.model_copy(update={"run_id": "another try"})
    store(paths)._write_manifest(other)
    (line,) = complete_earlier_sealings(store(paths), "main", "b2")
    assert "was already sealed" in line
    assert store(paths).newest_sealed_batch(ORDERS) == other
    assert list(Path(paths.run_documents).iterdir()) == []


def test_only_a_damaged_batch_is_unsealed(paths, monkeypatch):
    newest = store(paths).newest_sealed_batch(ORDERS)
    assert store(paths).unseal_damaged(ORDERS, "b4") == newest
    with monkeypatch.context() as patch:  # sealed by another try after this one has looked for a manifest
        patch.setattr(BronzeStore, "is_sealed", lambda *_: False)
        patch.setattr(BronzeStore, "intact_manifest", lambda *_: None)
        assert store(paths).unseal_damaged(ORDERS, "b4") is None
    assert store(paths).is_sealed(ORDERS, "b4")
    Path(newest.file_paths(paths)[0]).write_bytes(b"damaged")
    assert store(paths).unseal_damaged(ORDERS, "b4") is None
    assert not store(paths).is_sealed(ORDERS, "b4")


def test_an_interrupted_deletion_leaves_no_manifest(paths):
    class FailingLake(LocalLakeFiles):
        def delete_folder(self, folder):
            raise LakeError("the machine went down")

    with pytest.raises(LakeError):
        BronzeStore(FailingLake(), paths, "shop").delete_batch(ORDERS, "b4")
    assert store(paths).newest_sealed_batch(ORDERS).batch_id == "b2"


def write_increment(
    paths: LakePaths, batch_id: str, follows: str, full_snapshot: str, key: tuple[str, ...] = ("id",)
) -> None:
    cursor = CursorRange(column="id", key=key, follows=follows, full_snapshot=full_snapshot)
    manifest = write_batch(paths, "orders", batch_id)
    store(paths).seal_group("main", [manifest.model_copy(update={"mode": "incremental", "cursor": cursor})])


@pytest.fixture
def orders(tmp_path) -> tuple[LakePaths, Table]:
    """Full snapshots in b1 and b4, increments after each; b3 was sealed after its run was cleared."""
    paths = LakePaths.below(str(tmp_path))
    for batch_id in ("b1", "b4"):
        cursor = CursorRange(column="id", key=("id",), full_snapshot=batch_id)
        store(paths).seal_group("main", [write_batch(paths, "orders", batch_id).model_copy(update={"cursor": cursor})])
    for batch_id, follows, whole in (("b2", "b1", "b1"), ("b3", "b1", "b1"), ("b5", "b4", "b4"), ("b6", "b5", "b4")):
        write_increment(paths, batch_id, follows, whole)
    keyed = ORDERS.model_copy(update={"mode": "incremental", "cursor": "id", "key": ("id",)})
    return paths, keyed


@pytest.mark.parametrize(
    ("batch_id", "rebuild", "expected"),
    [
        ("b1", False, ["b1"]),
        ("b2", False, ["b1", "b2"]),
        ("b3", False, ["b1", "b3"]),
        ("b4", False, ["b4"]),
        ("b7", False, ["b4", "b5", "b6"]),
        ("b7", True, ["b1", "b2", "b3", "b4", "b5", "b6"]),
    ],
)
def test_an_increment_is_applied_with_the_batches_since_the_last_full_snapshot(orders, batch_id, rebuild, expected):
    paths, table = orders
    document = plan_run(RunRequest(batch_id, "run", rebuild=rebuild), configuration(table), store(paths))
    assert planned(document) == {"orders": expected}
    assert RunDocument.model_validate_json(Path(paths.run_document(batch_id)).read_text()) == document


@pytest.mark.parametrize("rebuild", [False, True])
def test_an_increment_on_a_deleted_batch_or_with_another_key_stops_planning(orders, rebuild):
    paths, table = orders
    write_increment(paths, "b7", "b6", "b4", key=("other",))
    with pytest.raises(BronzeError, match=r"was read with key \['other'\], while the table has key \['id'\]"):
        plan_run(RunRequest("b7", "run", rebuild=rebuild), configuration(table), store(paths))
    shutil.rmtree(paths.batch("shop", "public", "orders", "b5"))
    with pytest.raises(BronzeError, match=r"public\.orders: batch b6 continues batch b5, .* with full_reload"):
        plan_run(RunRequest("b7", "run", rebuild=rebuild), configuration(table), store(paths))
