"""The wheel for Databricks: both jobs run from it, with nothing of the repository on the path."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from local.wheel import build_wheel
from tests.spark.sealed_batches import document, seal, silver_rows, write_document
from tests.spark.small_lake import MODEL, T


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("wheel"))


def test_both_jobs_run_from_the_wheel(wheel, lake, tmp_path):
    plan = document(lake, 1, (T, seal(lake, T, 1, [{"id": 1, "v": "x"}]))).model_copy(update={"models": (MODEL,)})
    argument = json.dumps({"run_document": write_document(plan), "engine": "sail"})
    environment = {**os.environ, "PYTHONPATH": str(wheel)}
    script = (
        "import sys, spark_jobs.{0} as job; assert '.whl' in job.__file__; sys.argv = ['job', *sys.argv[1:]]; job.run()"
    )
    for name in ("bronze_to_silver", "silver_to_gold"):
        done = subprocess.run(
            [sys.executable, "-c", script.format(name), argument],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
    assert silver_rows(lake, T) == [{"id": 1, "v": "x"}]
    assert Path(lake.gold_builds, "_delta_log").is_dir()
