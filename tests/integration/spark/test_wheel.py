"""The wheel for Databricks, in an environment with its dependencies and pyspark, without the repository."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterable
from importlib.metadata import Distribution, PackageNotFoundError, distribution, packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from midnight.databricks.wheel_name import imported_modules, wheel_sources
from midnight.settings import REPOSITORY
from tests.support.sealed_batches import document, seal, silver_rows, write_document
from tests.support.small_lake import MODEL, T
from tools.wheel import build_wheel

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
# Part of every runtime: https://docs.databricks.com/aws/en/release-notes/runtime/
OF_THE_RUNTIME = ("pyspark[connect]", "databricks-sdk")


def installed(requirements: Iterable[str]) -> dict[str, Distribution]:
    """The distributions of this environment that the requirements need, directly or indirectly."""
    waiting, found = [Requirement(text) for text in requirements], {}
    while waiting:
        wanted = waiting.pop()
        try:
            dist = distribution(wanted.name)
        except PackageNotFoundError:  # of an extra or another platform
            continue
        key = (wanted.name, tuple(wanted.extras))
        if key not in found:
            found[key] = dist
            needed = (Requirement(text) for text in dist.requires or ())
            extras = wanted.extras or {""}
            waiting += [n for n in needed if not n.marker or any(n.marker.evaluate({"extra": e}) for e in extras)]
    return {name: dist for (name, _), dist in found.items()}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of packages as pip would create it: the wheel, its dependencies, and those of the runtime."""
    folder = tmp_path_factory.mktemp("site")
    for dist in installed([*PROJECT["dependencies"], *OF_THE_RUNTIME]).values():
        tops = {path.parts[0] for path in dist.files or () if path.parts[0] not in ("..", "__pycache__")}
        for top in tops:
            if not (folder / top).exists():
                (folder / top).symlink_to(Path(str(dist.locate_file(top))))
    with zipfile.ZipFile(build_wheel(tmp_path_factory.mktemp("wheel"))) as archive:
        archive.extractall(folder)
    return folder


def run(site: Path, code: str, *arguments: str, more: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run code with the standard library and this folder only."""
    path = os.pathsep.join(map(str, filter(None, [site, more])))
    return subprocess.run(
        [sys.executable, "-S", "-c", code, *arguments],
        env={**{k: v for k, v in os.environ.items() if k != "PYTHONPATH"}, "PYTHONPATH": path},
        cwd=site,
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_module_of_the_wheel_can_be_imported_with_its_dependencies(site):
    modules = sorted(
        path.relative_to(site).with_suffix("").as_posix().replace("/", ".").removesuffix(".__init__")
        for top in ("midnight", "spark_jobs")
        for path in (site / top).rglob("*.py")
    )
    done = run(site, f"import importlib\nfor name in {modules!r}:\n    importlib.import_module(name)")
    assert (done.returncode, done.stderr, len(modules) > 40) == (0, "", True)


def test_all_imports_are_declared_as_dependencies():
    """Also imports in functions; those that only Airflow or a local engine needs, as an extra."""
    declared = [*PROJECT["dependencies"], *OF_THE_RUNTIME]
    declared += [text for extra in PROJECT["optional-dependencies"].values() for text in extra]
    names = {_normal(Requirement(text).name) for text in declared} | {"pydantic-core"}  # of pydantic
    imported = {name.partition(".")[0] for path in wheel_sources(REPOSITORY) for name in imported_modules(path)}
    others = imported - set(sys.stdlib_module_names) - {"midnight", "spark_jobs"}
    found = packages_distributions()
    undeclared = {top for top in others if not names & {_normal(name) for name in found.get(top, [])}}
    assert undeclared == set()
    assert {"pyspark", "yaml", "pydantic", "databricks"} <= others


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_wheel_only_has_what_the_jobs_import(site):
    paths = [path for top in ("midnight", "spark_jobs") for path in (site / top).rglob("*.py")]
    found = {path.relative_to(site).as_posix() for path in paths}
    sources = [path.relative_to(REPOSITORY).as_posix() for path in wheel_sources(REPOSITORY)]
    assert found == {name.removeprefix("plugins/") for name in sources}
    assert {"spark_jobs/transforms/casts.py", "midnight/run/document.py", "midnight/__init__.py"} <= found
    services = ("synapse", "postgres_to_bronze", "data_factory", "databricks/", "powerbi", "airflow")
    assert [name for name in found if any(service in name for service in services)] == []


def test_both_jobs_run_from_the_wheel(site, lake, tmp_path):
    """With Sail in place of Databricks' Spark, and delta-rs, by which Sail's jobs read a lake in a folder."""
    engine = tmp_path / "engine"
    engine.mkdir()
    for dist in installed(["pysail", "deltalake"]).values():
        for top in {path.parts[0] for path in dist.files or () if path.parts[0] not in ("..", "__pycache__")}:
            if not (site / top).exists() and not (engine / top).exists():
                (engine / top).symlink_to(Path(str(dist.locate_file(top))))
    plan = document(lake, 1, (T, seal(lake, T, 1, [{"id": 1, "v": "x"}]))).model_copy(update={"models": (MODEL,)})
    argument = json.dumps({"run_document": write_document(plan), "engine": "sail"})
    for name in ("bronze_to_silver", "silver_to_gold"):
        done = run(site, f"import spark_jobs.{name} as job\njob.run()", argument, more=engine)
        assert (done.returncode, done.stderr) == (0, "")
    assert silver_rows(lake, T) == [{"id": 1, "v": "x"}]
    assert Path(lake.gold_builds, "_delta_log").is_dir()
