"""Small files of the lake appear complete or not at all."""

import os
import threading

import pytest

from midnight.errors import LakeError
from midnight.lake.files import open_local_lake


def test_write_read_list_delete(tmp_path):
    lake = open_local_lake()
    lake.write_text(f"{tmp_path}/a/b/_manifest.json", "größe")
    assert lake.read_text(f"{tmp_path}/a/b/_manifest.json") == "größe"
    assert lake.read_text(f"{tmp_path}/a/none") is None
    assert lake.list_names(f"{tmp_path}/a/b") == ["_manifest.json"]
    assert lake.size(f"{tmp_path}/a/b/_manifest.json") == 7
    lake.delete_folder(f"{tmp_path}/a")
    lake.delete_folder(f"{tmp_path}/a")
    assert lake.list_names(f"{tmp_path}/a") == []


def test_a_reader_never_sees_a_part(tmp_path):
    lake, path, stop = open_local_lake(), f"{tmp_path}/document", threading.Event()
    contents = {"a" * 200_000, "b" * 300_000}
    lake.write_text(path, "a" * 200_000)
    seen = set()

    def read():
        while not stop.is_set():
            seen.add(lake.read_text(path))

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(20):
        for content in contents:
            lake.write_text(path, content)
    stop.set()
    reader.join()
    assert seen <= contents
    assert os.listdir(tmp_path) == ["document"]


def test_a_failed_write_has_a_hint(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(LakeError, match="hint: check the free space and the permissions"):
        open_local_lake().write_text(f"{tmp_path}/file/document", "x")


def test_a_folder_is_deleted_while_another_process_still_writes_to_it(tmp_path, monkeypatch):
    folder, rmdir, late = tmp_path / "batch", os.rmdir, iter(range(2))
    folder.mkdir()

    def write_before(path, **options):
        for number in late:
            (folder / f"part-{number}").touch()
            break
        rmdir(path, **options)

    monkeypatch.setattr(os, "rmdir", write_before)
    open_local_lake().delete_folder(str(folder))
    assert not folder.exists()
