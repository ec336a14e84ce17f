"""The DAGs that Airflow gets from the DAG files, by environment; parsed once for all tests, in one child process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from midnight.settings import REPOSITORY, python_path

AZURE = {
    "MIDNIGHT_PROFILE": "azure",
    "MIDNIGHT_STORAGE_ACCOUNT": "lake",
    "MIDNIGHT_DATABRICKS_JOB_ID": "7",
}
TABLE = """\
schema: public
table: t{number}
silver: t{number}
key: [id]
columns:
  - {{name: id, type: bigint}}
  - {{name: amount, type: "numeric(12,2)"}}
checks:
  - {{rule: range, column: amount, min: 0}}
"""
PIPELINE = "source: {name: shop}\ngroups: [{name: main}]\nowner: somebody\n"
DEADLINE = PIPELINE + "schedule: {timezone: Europe/Berlin}\nalerts: {publish_by: '07:30'}\n"
BROKEN_PIPELINE = "source: {name: shop}\nretrys: 3\nschedule: {timezone: Europe/Atlantis}\n"


def make_configuration(folder: Path, tables: int, pipeline: str = PIPELINE) -> Path:
    """A configuration folder with this number of tables."""
    (folder / "tables").mkdir(parents=True)
    (folder / "pipeline.yml").write_text(pipeline)
    for number in range(tables):
        (folder / "tables" / f"public.t{number}.yml").write_text(TABLE.format(number=number))
    return folder


@pytest.fixture(scope="session")
def parsed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Name of an environment -> output of ``describe_dags.py``."""
    folder = tmp_path_factory.mktemp("configurations")
    groups = PIPELINE.replace("[{name: main}]", "[{name: main}, {name: big}, {name: small}]")
    groups += "owner_link: https://wiki.example.com/team\n"
    variants = {
        "local": {},
        "azure": AZURE,
        "5 tables": {"MIDNIGHT_CONFIG": str(make_configuration(folder / "5", 5))},
        "500 tables": {"MIDNIGHT_CONFIG": str(make_configuration(folder / "500", 500))},
        "3 groups": {"MIDNIGHT_CONFIG": str(make_configuration(folder / "groups", 1, groups))},
        "no schedule": {
            "MIDNIGHT_CONFIG": str(make_configuration(folder / "off", 1, PIPELINE + "schedule: {cron: null}\n"))
        },
        "deadline": {"MIDNIGHT_CONFIG": str(make_configuration(folder / "deadline", 1, DEADLINE))},
        "broken": {"MIDNIGHT_CONFIG": str(make_configuration(folder / "broken", 1, BROKEN_PIPELINE))},
        "wrong cron": {
            "MIDNIGHT_CONFIG": str(make_configuration(folder / "cron", 1, PIPELINE + "schedule: {cron: 0 25 * * *}\n"))
        },
        "no YAML": {"MIDNIGHT_CONFIG": str(make_configuration(folder / "no", 1, "source: [\n"))},
        "azure without job": {**AZURE, "MIDNIGHT_DATABRICKS_JOB_ID": ""},
    }
    return dict(zip(variants, describe(list(variants.values())), strict=True))


def describe(environments: list[dict[str, str]]) -> list[dict[str, Any]]:
    """Run ``describe_dags.py`` with the given variables of Midnight only."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MIDNIGHT_")}
    done = subprocess.run(
        [sys.executable, str(REPOSITORY / "tests" / "support" / "describe_dags.py"), json.dumps(environments)],
        env={**environment, "PYTHONPATH": python_path()},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    results = [line.removeprefix("RESULT ") for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    assert results, done.stdout[-3000:] + done.stderr[-3000:]
    parsed: list[dict[str, Any]] = json.loads(results[0])
    return parsed
