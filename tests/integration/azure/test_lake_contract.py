"""The contract of ``LakeFiles``, for a local folder and Azure Storage (Azurite)."""

from __future__ import annotations

import io
import secrets
import threading

import pyarrow
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from midnight.bronze.batches import checksum
from midnight.errors import LakeConflictError, LakeError
from midnight.lake.azure import blob_reader as range_reader
from midnight.lake.azure import block_upload
from midnight.postgres_to_bronze.parquet_writer import PartWriter
from tests.support.ingest_run import BronzeFolder


@pytest.fixture(params=["local", "azure"])
def bronze(request, tmp_path) -> BronzeFolder:
    return BronzeFolder(tmp_path / "lake") if request.param == "local" else request.getfixturevalue("azure_lake")


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(block_upload, "BLOCK_BYTES", 1000)
    monkeypatch.setattr(range_reader, "BLOCK_BYTES", 700)


def write(bronze: BronzeFolder, path: str, content: bytes) -> None:
    output = bronze.lake.open_output(path)
    output.write(content)
    output.close()


def test_small_files(bronze):
    lake, root = bronze.lake, bronze.paths.bronze
    assert lake.read_text(f"{root}/a/none") is None
    assert lake.size(f"{root}/a/none") is None
    for text in ("größe", "", "x" * 100_000):
        lake.write_text(f"{root}/a/b/document", text)
        assert lake.read_text(f"{root}/a/b/document") == text
        assert lake.size(f"{root}/a/b/document") == len(text.encode())
    lake.delete_file(f"{root}/a/b/document")
    lake.delete_file(f"{root}/a/b/document")
    assert lake.read_text(f"{root}/a/b/document") is None


def test_names_directly_below_a_folder(bronze):
    lake, root = bronze.lake, bronze.paths.gold
    assert lake.list_names(root) == []
    for name in ("b", "a/1", "a/2/deep", "ab", "c/x"):
        lake.write_text(f"{root}/{name}", "")
    assert lake.list_names(root) == ["a", "ab", "b", "c"]
    assert lake.list_names(f"{root}/a") == ["1", "2"]
    assert lake.size(f"{root}/a") is None, "a folder is not a file"
    lake.delete_folder(f"{root}/a")
    lake.delete_folder(f"{root}/a")
    assert lake.list_names(root) == ["ab", "b", "c"]


def test_a_write_once_file_is_never_replaced(bronze):
    lake, path = bronze.lake, f"{bronze.paths.bronze}/a/_manifest.json"
    lake.write_new(path, "first")
    lake.write_new(path, "first")
    with pytest.raises(LakeConflictError, match="with other content") as raised:
        lake.write_new(path, "second")
    assert raised.value.existing == "first"
    assert lake.read_text(path) == "first"
    assert lake.list_names(f"{bronze.paths.bronze}/a") == ["_manifest.json"]


def test_one_of_many_concurrent_writers_wins_and_the_others_fail(bronze):
    path = f"{bronze.paths.bronze}/_manifest.json"
    conflicts: list[tuple[int, str | None]] = []

    def write_new(number: int) -> None:
        barrier.wait()
        try:
            bronze.lake.write_new(path, f"attempt {number}")
        except LakeConflictError as error:
            conflicts.append((number, error.existing))

    barrier = threading.Barrier(8)
    threads = [threading.Thread(target=write_new, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winner = bronze.lake.read_text(path)
    assert sorted(conflicts) == [(number, winner) for number in range(8) if f"attempt {number}" != winner]
    assert len(conflicts) == 7


def test_a_file_is_visible_only_when_it_is_complete(bronze, small_blocks):
    lake, path = bronze.lake, f"{bronze.paths.bronze}/t/part"
    output = lake.open_output(path)
    output.write(b"x" * 2500)
    if type(bronze) is not BronzeFolder:  # a local file is visible before it is complete; only the manifest counts
        assert lake.size(path) is None
        assert lake.list_names(f"{bronze.paths.bronze}/t") == []
    output.write(memoryview(b"yz"))
    output.close()
    output.close()
    output.abandon()
    assert lake.size(path) == 2502
    with lake.open_input(path) as file:
        assert file.read() == b"x" * 2500 + b"yz"


def test_an_abandoned_file_does_not_appear(azure_lake, small_blocks):
    output = azure_lake.lake.open_output(f"{azure_lake.paths.bronze}/t/part")
    output.write(b"x" * 5000)
    output.abandon()
    output.close()
    assert azure_lake.files() == []
    with pytest.raises(ValueError, match="is closed"):
        output.write(b"more")


@pytest.mark.parametrize("size", [0, 1, 999, 1000, 1001, 3000, 3001])
def test_files_of_all_lengths_are_read_back(bronze, small_blocks, size):
    content = secrets.token_bytes(size)
    write(bronze, f"{bronze.paths.bronze}/part", content)
    with bronze.lake.open_input(f"{bronze.paths.bronze}/part") as file:
        assert file.read() == content
        assert file.read() == b""


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    operations=st.lists(st.tuples(st.integers(0, 2), st.integers(-200, 6000), st.integers(-1, 4000)), max_size=8),
)
def test_random_reads_are_equal_to_reads_from_memory(azure_file, operations):
    lake, path, content = azure_file
    expected = io.BytesIO(content)
    with lake.open_input(path) as file:
        for whence, offset, size in operations:
            place = max(0, {0: 0, 1: expected.tell(), 2: len(content)}[whence] + offset)
            expected.seek(place)
            assert file.seek(offset, whence) == place
            assert file.read(size) == expected.read(size)
            assert file.tell() == max(place, expected.tell())


@pytest.fixture
def azure_file(azure_lake, small_blocks):
    content = secrets.token_bytes(5432)
    write(azure_lake, f"{azure_lake.paths.bronze}/part", content)
    return azure_lake.lake, f"{azure_lake.paths.bronze}/part", content


def test_parquet_through_the_lake(bronze, small_blocks):
    table = pyarrow.table({"id": range(3000), "text": [f"row {number}" for number in range(3000)]})
    folder = bronze.paths.bronze
    part = PartWriter(lake=bronze.lake, folder=folder, name="part.parquet", schema=table.schema, group_bytes=1)
    for start in range(0, 3000, 500):
        part.add(table.slice(start, 500))
    written = part.finish()
    path = f"{folder}/part.parquet"
    assert (written.rows, written.bytes, written.sha256) == (3000, bronze.lake.size(path), checksum(bronze.lake, path))
    with bronze.lake.open_input(path) as file:
        assert parquet.read_table(file).equals(table)
    with bronze.lake.open_input(path) as file:
        assert parquet.ParquetFile(file).read_row_group(3, ["id"])["id"].to_pylist() == list(range(1500, 2000))


def test_a_file_that_changes_while_it_is_read(bronze, small_blocks):
    path = f"{bronze.paths.bronze}/part"
    write(bronze, path, b"a" * 9000)
    with bronze.lake.open_input(path) as file:
        beginning = file.read(100)
        bronze.lake.write_text(path, "b" * 9000)
        if type(bronze) is BronzeFolder:
            assert beginning + file.read() == b"a" * 9000
        else:
            changed = "412 ConditionNotMet .*hint: another attempt of the same run is active: wait until it has ended"
            with pytest.raises(LakeError, match=changed):
                file.read()
    with pytest.raises(LakeError, match=r"part cannot be read|part2 cannot be read"):
        checksum(bronze.lake, f"{path}2")


def test_a_folder_with_markers_is_deleted_bottom_up(faulty_lake, fault_proxy):
    """With a hierarchical namespace the blob endpoint shows folders as marker blobs, and deletes only empty ones."""
    container = faulty_lake.service.get_container_client("gold")
    top = f"{faulty_lake.folder}/model"
    for name in ("", "/build", "/build/_delta_log"):
        container.upload_blob(f"{top}{name}", b"", metadata={"hdi_isfolder": "true"})
    for name in ("/build/part.parquet", "/build/_delta_log/0.json"):
        container.upload_blob(f"{top}{name}", b"x")
    root = faulty_lake.paths.gold
    assert faulty_lake.lake.list_names(root) == ["model"]
    assert faulty_lake.lake.list_names(f"{root}/model") == ["build"]
    assert faulty_lake.lake.size(f"{root}/model/build") is None
    faulty_lake.lake.delete_folder(f"{root}/model")
    assert faulty_lake.files("gold") == []
    deleted = [target.partition(top)[2] for method, target, _ in fault_proxy.requests if method == "DELETE"]
    assert set(deleted[:2]) == {"/build/part.parquet", "/build/_delta_log/0.json"}
    assert deleted[2:] == ["/build/_delta_log", "/build", ""]


def test_a_folder_is_not_a_file_with_the_same_prefix(azure_lake):
    root = azure_lake.paths.gold
    for name in ("model/a", "model2", "model"):
        azure_lake.lake.write_text(f"{root}/{name}", "")
    azure_lake.lake.delete_folder(f"{root}/model")
    assert azure_lake.files("gold") == ["model", "model2"]
    with pytest.raises(LakeError, match="is a container, which is not deleted"):
        azure_lake.lake.delete_folder(root.rpartition("/")[0])
