"""The wheel for Databricks: both jobs run from it, with nothing of the repository on the path."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from midnight.gold_models import GoldModel
from tests.spark.sealed_batches import document, seal, silver_rows, table, write_document

REPOSITORY = Path(__file__).resolve().parents[2]
T = table("t", {"id": "integer", "v": "text"}, key=["id"])
MODEL = GoldModel.model_validate(
    {
        "name": "all_of_t",
        "sql": "SELECT id, v FROM silver__t",
        "references": {"silver__t": "silver.t"},
        "contract": {
            "description": "t",
            "key": ["id"],
            "columns": [{"name": "id", "type": "INT"}, {"name": "v", "type": "STRING", "max_length": 10}],
        },
    }
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Built from a copy: setuptools leaves its own folders beside the sources."""
    folder = tmp_path_factory.mktemp("wheel")
    ignored = shutil.ignore_patterns("__pycache__")
    for name in ("plugins/midnight", "spark_jobs"):
        shutil.copytree(REPOSITORY / name, folder / "source" / name, ignore=ignored)
    shutil.copy(REPOSITORY / "pyproject.toml", folder / "source")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, folder / "source"],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    (built,) = folder.glob("*.whl")
    return built


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
