"""The content and the version of the wheel."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from midnight.databricks.wheel_name import listed_packages, wheel_packages, wheel_sources, wheel_version
from midnight.settings import REPOSITORY
from tools.wheel import WheelError, build_wheel


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A copy of what the wheel is built from."""
    for path in [*wheel_sources(REPOSITORY), REPOSITORY / "pyproject.toml"]:
        target = tmp_path / path.relative_to(REPOSITORY)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    return tmp_path


def test_pyproject_lists_the_packages_that_the_jobs_import():
    assert listed_packages(REPOSITORY) == sorted(wheel_packages(REPOSITORY))


def test_the_version_depends_on_the_modules_that_the_jobs_import(repository):
    version = wheel_version(repository)
    assert version == wheel_version(REPOSITORY)
    (repository / "plugins" / "midnight" / "unused.py").write_text("# no job imports this module\n")
    assert wheel_version(repository) == version
    with (repository / "spark_jobs" / "transforms" / "casts.py").open("a") as module:
        module.write("# changed\n")
    assert wheel_version(repository) != version


def test_a_wheel_without_a_required_package_is_not_built(repository):
    project = repository / "pyproject.toml"
    project.write_text(project.read_text().replace('    "midnight.lake",\n', ""))
    with pytest.raises(WheelError, match=r"\['midnight\.lake'\] are missing; hint: correct the list"):
        build_wheel(repository / "dist", repository)
    assert not (repository / "dist").exists()
