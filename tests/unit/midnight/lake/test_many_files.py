"""Many small files: in order, side by side, and nothing in progress after an error."""

from __future__ import annotations

import threading

import pytest

from midnight.lake.files import open_local_lake
from midnight.lake.many_files import read_many, write_many


def test_results_are_in_order():
    assert write_many(lambda number: number * 2, range(100)) == list(range(0, 200, 2))
    assert write_many(str, []) == []


def test_writes_wait_together():
    together = threading.Barrier(8)
    write_many(lambda _: together.wait(timeout=10), range(8))  # raises if they come one after the other


def test_a_local_lake_reads_in_the_same_thread():
    threads = read_many(open_local_lake(), lambda _: threading.get_ident(), range(3))
    assert threads == [threading.get_ident()] * 3


def test_the_first_error_is_raised_when_all_have_ended():
    running = []

    def write(number: int) -> None:
        running.append(number)
        try:
            if number == 3:
                raise OSError("disk full")
        finally:
            running.remove(number)

    with pytest.raises(OSError, match="disk full"):
        write_many(write, range(50))
    assert not running
