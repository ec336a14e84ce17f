"""The files of a batch that was read again after the run had been planned."""

from __future__ import annotations

from pathlib import Path

import pytest

from midnight.errors import BronzeError
from midnight.lake.paths import LakePaths
from spark_jobs.silver.read_batches import read_batch
from tests.support.sealed_batches import seal, table


def test_a_missing_file_is_named_with_the_tasks_to_clear(tmp_path):
    paths = LakePaths.below(str(tmp_path))
    batch = seal(paths, table("t", {"id": "integer"}), 1, [{"id": 1}])
    (path,) = batch.file_paths(paths)
    Path(path).unlink()
    with pytest.raises(BronzeError, match=r"part-.* is missing; hint: clear the ingest task with the tasks after it"):
        read_batch(None, batch, [path])
