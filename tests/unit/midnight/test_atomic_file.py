"""A file appears complete, private and without leftovers."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from midnight.atomic_file import temporary_file, write_atomically


@pytest.mark.parametrize("durable", [False, True])
def test_a_file_is_replaced_and_only_its_owner_reads_it(tmp_path: Path, durable: bool) -> None:
    target = tmp_path / "document"
    target.write_text("old")
    target.chmod(0o644)
    write_atomically(target, "größe\r\n\n", durable=durable)
    assert target.read_bytes() == "größe\r\n\n".encode()
    assert target.stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["document"]


def test_a_file_that_cannot_be_replaced_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "document").mkdir()
    with pytest.raises(OSError, match="document"):
        write_atomically(tmp_path / "document", "x")
    assert os.listdir(tmp_path) == ["document"]


def test_a_temporary_file_is_deleted_when_nobody_moves_it(tmp_path: Path) -> None:
    with temporary_file(tmp_path / "document", "text") as temporary:
        assert temporary.read_text() == "text"
        assert temporary.parent == tmp_path
    assert os.listdir(tmp_path) == []
