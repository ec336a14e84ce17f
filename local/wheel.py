"""The wheel for Databricks. Its version names its content: ``0.1.0+g<hash of the sources>``.

Databricks installs a wheel once per version: with the same version, changed code would go unnoticed on a cluster that
runs on, and nobody could tell from a job what it ran. (The Databricks CLI's ``dynamic_version`` does the same with the
time instead of the content.)
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from midnight.errors import MidnightError
from midnight.settings import REPOSITORY

WHEEL_NAME = re.compile(r"midnight_lakehouse-[^-]+[+]g[0-9a-f]{12}-py3-none-any[.]whl")
_EPOCH = "315532800"  # 1980, the first year of a zip archive: the same sources give the same bytes


class WheelError(MidnightError):
    """The wheel cannot be built or published."""


def wheel_version(repository: Path = REPOSITORY) -> str:
    """Version of the wheel that these sources make."""
    text = (repository / "pyproject.toml").read_text(encoding="utf-8")
    project = tomllib.loads(text)
    digest = hashlib.sha256()
    for path in _sources(repository):
        digest.update(f"{path.relative_to(repository).as_posix()}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    # Of pyproject.toml only what becomes part of the wheel; the linters' settings do not.
    parts = [project["build-system"], project["project"], project["tool"]["setuptools"]]
    digest.update(repr(parts).encode())
    return f"{project['project']['version']}+g{digest.hexdigest()[:12]}"


def wheel_name(repository: Path = REPOSITORY) -> str:
    """File name of the wheel that these sources make."""
    return f"midnight_lakehouse-{wheel_version(repository)}-py3-none-any.whl"


def build_wheel(folder: Path, repository: Path = REPOSITORY) -> Path:
    """Build the wheel.

    Args:
        folder: gets it; an older wheel stays.
        repository: the sources.

    Raises:
        WheelError: the build fails; its last line.
    """
    version = wheel_version(repository)
    folder.mkdir(parents=True, exist_ok=True)
    # From a copy: setuptools leaves its own folders beside the sources.
    with tempfile.TemporaryDirectory(prefix="midnight_wheel_") as temporary:
        copy = Path(temporary)
        for path in _sources(repository):
            target = copy / path.relative_to(repository)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
            target.chmod(0o644)
        text = (repository / "pyproject.toml").read_text(encoding="utf-8")
        text = re.sub(r'(?m)^version = ".*"$', f'version = "{version}"', text, count=1)
        (copy / "pyproject.toml").write_text(text, encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder.absolute()), str(copy)],
            env={**os.environ, "SOURCE_DATE_EPOCH": _EPOCH},
            capture_output=True,
            text=True,
            check=False,
        )
    built = folder / wheel_name(repository)
    if done.returncode != 0 or not built.exists():
        said = (done.stdout + done.stderr).strip().splitlines() or ["it said nothing"]
        raise WheelError(f"the wheel was not built: {said[-1]}; `make lock` names the build tools")
    return built


def _sources(repository: Path) -> list[Path]:
    """Python files of the wheel's packages, as pyproject.toml lists them."""
    tool = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    found = []
    for package in tool["packages"]:
        top, _, rest = package.partition(".")
        found += (repository / tool["package-dir"][top] / rest.replace(".", "/")).glob("*.py")
    return sorted(found)


if __name__ == "__main__":
    print(build_wheel(REPOSITORY / "dist"))
