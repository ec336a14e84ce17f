"""Maintenance of a lake in folders of this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from midnight.lake.files import LakeFiles, open_local_lake
from midnight.lake.paths import LakePaths
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
