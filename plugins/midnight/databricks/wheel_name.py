"""The wheel for Databricks is named after its content: ``0.1.0+g<hash of the sources>``.

Databricks installs a wheel once per version: with the same version, changed code would not be installed on a running
cluster, and a job would not show which code it ran. (The Databricks CLI's ``dynamic_version`` does the same with the
time instead of the content.) The deployed job names its wheel, so that Airflow can compare it with its own sources.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import tomllib
from collections.abc import Mapping
from pathlib import Path

from midnight.errors import DeploymentError
from midnight.settings import REPOSITORY


def wheel_version(repository: Path = REPOSITORY) -> str:
    """Version of the wheel that is built from these sources.

    Raises:
        DeploymentError: ``pyproject.toml``, which defines the content of the wheel, does not exist.
    """
    try:
        text = (repository / "pyproject.toml").read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise DeploymentError(
            f"{repository / 'pyproject.toml'} does not exist, so that the version of the wheel is unknown; "
            "hint: deploy it next to plugins/ and spark_jobs/, as the Dockerfile does"
        ) from error
    project = tomllib.loads(text)
    digest = hashlib.sha256()
    for path in wheel_sources(repository):
        digest.update(f"{path.relative_to(repository).as_posix()}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    # Only the tables of pyproject.toml that affect the wheel, not the settings of linters.
    parts = [project["build-system"], project["project"], project["tool"]["setuptools"]]
    digest.update(repr(parts).encode())
    return f"{project['project']['version']}+g{digest.hexdigest()[:12]}"


def wheel_name(repository: Path = REPOSITORY) -> str:
    """File name of the wheel that is built from these sources.

    Raises:
        DeploymentError: see ``wheel_version``.
    """
    return f"midnight_lakehouse-{wheel_version(repository)}-py3-none-any.whl"


def wheel_sources(repository: Path) -> list[Path]:
    """Python files that the jobs import, directly or indirectly; nothing else belongs to the wheel.

    A change of a module that no job imports does not change the wheel.
    """
    project = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))
    folders = {top: repository / folder for top, folder in project["tool"]["setuptools"]["package-dir"].items()}
    waiting = [entry.partition(":")[0] for entry in project["project"]["scripts"].values()]
    found: dict[str, Path] = {}
    while waiting:
        module = waiting.pop()
        path = None if module in found else _file_of(module, folders)
        if path is not None:
            found[module] = path
            waiting += [module.rpartition(".")[0], *imported_modules(path)]
    return sorted(found.values())


def wheel_packages(repository: Path) -> set[str]:
    """Names of the packages of ``wheel_sources``; ``pyproject.toml`` has to list exactly these."""
    project = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))
    folders = {repository / folder: top for top, folder in project["tool"]["setuptools"]["package-dir"].items()}
    return {
        ".".join((top, *path.parent.relative_to(folder).parts))
        for path in wheel_sources(repository)
        for folder, top in folders.items()
        if path.is_relative_to(folder)
    }


def listed_packages(repository: Path) -> list[str]:
    """The packages that ``pyproject.toml`` lists."""
    project = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))
    return list(project["tool"]["setuptools"]["packages"])


def imported_modules(path: Path) -> tuple[str, ...]:
    """Names that a file imports, except those for type checkers only; ``from a import b`` gives ``a`` and ``a.b``."""
    return _imports(path.read_text(encoding="utf-8"))


@functools.lru_cache(maxsize=1024)  # keyed by the content: parsing all files takes a quarter of a second
def _imports(source: str) -> tuple[str, ...]:
    names: list[str] = []
    waiting: list[ast.AST] = [ast.parse(source)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif not (isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"):
            # An expression contains no import.
            children = ast.iter_child_nodes(node)
            waiting += (child for child in children if isinstance(child, ast.stmt | ast.excepthandler | ast.match_case))
    return tuple(names)


def _file_of(module: str, folders: Mapping[str, Path]) -> Path | None:
    """The file of one of these modules or packages; None for a foreign module, and for a name inside a module."""
    top, *rest = module.split(".")
    if top not in folders:
        return None
    path = folders[top].joinpath(*rest)
    return next((p for p in (path.with_suffix(".py"), path / "__init__.py") if p.is_file()), None)
