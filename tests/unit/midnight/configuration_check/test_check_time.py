"""The time of the check of all files."""

from __future__ import annotations

import time

import pytest

from midnight.configuration_check.check import check_configuration
from midnight.settings import Settings
from tests.support.large_configuration import write_large_configuration


@pytest.mark.slow
def test_the_check_takes_time_proportional_to_the_number_of_files(tmp_path):
    seconds = {}
    for size in (20, 100):
        folder = tmp_path / str(size)
        write_large_configuration(folder, tables=size, models=size, views=size // 4)
        started = time.process_time()
        report = check_configuration(Settings(config=folder))
        seconds[size] = time.process_time() - started
        assert (report.problems, report.counts["reporting views"]) == ((), size // 4)
    assert seconds[100] < 5 * 1.8 * seconds[20], seconds
