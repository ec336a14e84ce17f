"""`midnight wheel`: builds the wheel for Databricks (name: ``midnight.databricks.wheel_name``)."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from midnight.databricks.wheel_name import listed_packages, wheel_name, wheel_packages, wheel_sources, wheel_version
from midnight.errors import MidnightError, last_line
from midnight.settings import REPOSITORY

_EPOCH = "315532800"  # 1980, the first year of a zip archive: equal sources give equal bytes


class WheelError(MidnightError):
    """The wheel cannot be built or published."""


def build_wheel(folder: Path, repository: Path = REPOSITORY) -> Path:
    """Build the wheel.

    Args:
        folder: to write to; an older wheel stays.
        repository: the sources.

    Raises:
        WheelError: ``pyproject.toml`` lists other packages than the jobs import, or the build fails.
    """
    version = wheel_version(repository)
    listed, imported = set(listed_packages(repository)), wheel_packages(repository)
    if listed != imported:
        raise WheelError(
            f"pyproject.toml: packages: {sorted(listed - imported)!r} are not imported by the jobs, "
            f"{sorted(imported - listed)!r} are missing; hint: correct the list in [tool.setuptools]"
        )
    folder.mkdir(parents=True, exist_ok=True)
    # From a copy: setuptools creates folders next to the sources, and would add modules that no job imports.
    with tempfile.TemporaryDirectory(prefix="midnight_wheel_") as temporary:
        copy = Path(temporary)
        for path in wheel_sources(repository):
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
        reason = last_line(done.stdout + done.stderr)
        raise WheelError(f"the wheel was not built: {reason}", "`make wheel` installs the build tools first")
    return built


def main(*, folder: Path | None = None) -> int:
    """Build the wheel and print its path.

    Args:
        folder: to write it to; None for dist/ of the repository.

    Returns:
        0. Errors are raised as ``MidnightError``.
    """
    print(build_wheel(folder or REPOSITORY / "dist"))
    return 0
