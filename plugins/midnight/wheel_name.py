"""The wheel for Databricks is named after its content: ``0.1.0+g<hash of the sources>``.

Databricks installs a wheel once per version: with the same version, changed code would go unnoticed on a cluster that
runs on, and nobody could tell from a job what it ran. (The Databricks CLI's ``dynamic_version`` does the same with the
time instead of the content.) The deployed job names its wheel, so that Airflow can compare it with its own sources.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from pathlib import Path

from midnight.errors import DeploymentError
from midnight.settings import REPOSITORY

WHEEL_NAME = re.compile(r"midnight_lakehouse-[^-]+[+]g[0-9a-f]{12}-py3-none-any[.]whl")


def wheel_version(repository: Path = REPOSITORY) -> str:
    """Version of the wheel that these sources make.

    Raises:
        DeploymentError: there is no ``pyproject.toml``, which says what belongs to the wheel.
    """
    try:
        text = (repository / "pyproject.toml").read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise DeploymentError(
            f"{repository / 'pyproject.toml'} does not exist, so that nobody knows which wheel these sources make; "
            "hint: deploy it next to plugins/ and spark_jobs/, as the Dockerfile does"
        ) from error
    project = tomllib.loads(text)
    digest = hashlib.sha256()
    for path in wheel_sources(repository):
        digest.update(f"{path.relative_to(repository).as_posix()}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    # Of pyproject.toml only what becomes part of the wheel; the linters' settings do not.
    parts = [project["build-system"], project["project"], project["tool"]["setuptools"]]
    digest.update(repr(parts).encode())
    return f"{project['project']['version']}+g{digest.hexdigest()[:12]}"


def wheel_name(repository: Path = REPOSITORY) -> str:
    """File name of the wheel that these sources make.

    Raises:
        DeploymentError: see ``wheel_version``.
    """
    return f"midnight_lakehouse-{wheel_version(repository)}-py3-none-any.whl"


def wheel_sources(repository: Path) -> list[Path]:
    """Python files of the wheel's packages, as pyproject.toml lists them."""
    tool = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    found: list[Path] = []
    for package in tool["packages"]:
        top, _, rest = package.partition(".")
        found += (repository / tool["package-dir"][top] / rest.replace(".", "/")).glob("*.py")
    return sorted(found)
