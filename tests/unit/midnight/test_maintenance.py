"""Maintenance of a lake in folders of this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from midnight.gold_to_serving.run_rows import KEPT_RUNS
from midnight.lake.files import LakeFiles, open_local_lake
from midnight.lake.paths import LakePaths
from midnight.maintenance import remove_old_runs
from tests.support.maintenance_tests import (  # noqa: F401
    test_change_sets_of_old_batches_are_deleted,
    test_files_of_silver_that_are_not_small_are_not_merged,
    test_gold_folders_without_a_kept_build_are_deleted,
    test_nothing_is_deleted_without_a_build,
    test_scratch_folders_of_old_rebuilds_are_deleted,
    test_small_files_are_compacted_without_changing_rows,
)


@pytest.fixture
def lake() -> LakeFiles:
    return open_local_lake()


@pytest.fixture
def paths(tmp_path: Path) -> LakePaths:
    return LakePaths.below(str(tmp_path))


def test_summaries_of_old_runs_are_deleted(lake, paths):
    assert remove_old_runs(lake, paths) == ()
    for number in range(KEPT_RUNS + 2):
        lake.write_text(paths.summary(f"B{number:03}"), "{}")
        lake.write_text(paths.run_rows("runs", f"2026{number:03}"), "")
        lake.write_text(f"{paths.run_costs(f'B{number:03}')}/silver.1.json", "[]")
    lake.write_text(paths.run_rows("runs", "0"), "the file without rows stays")
    removed = remove_old_runs(lake, paths)
    assert removed[:2] == (paths.summary("B000"), paths.summary("B001"))
    assert removed[2:4] == (paths.run_costs("B000"), paths.run_costs("B001"))
    assert removed[4:] == (paths.run_rows("runs", "2026000"), paths.run_rows("runs", "2026001"))
    assert len(lake.list_names(paths.summaries)) == KEPT_RUNS
    assert len(lake.list_names(paths.costs)) == KEPT_RUNS
    assert len(lake.list_names(paths.run_rows_folder("runs"))) == KEPT_RUNS + 1
