"""This machine: Python, packages, ports, folders, disk."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from packaging.requirements import Requirement

from cli.checks.finding import Finding
from cli.instance.folder import Instance
from cli.instance.ports import VARIABLES, choose_port
from midnight.errors import LakePathError, MidnightError
from midnight.lake.paths import check_lake_path
from midnight.settings import Settings

OLDEST_PYTHON, NEWEST_PYTHON = (3, 11), (3, 12)
NEEDED_BYTES, COMFORTABLE_BYTES = 1_000_000_000, 5_000_000_000
_NAMED = (
    "apache-airflow",
    "apache-airflow-providers-microsoft-azure",
    "apache-airflow-providers-databricks",
    "pyspark",
)


def check_python(version_info: Sequence[int] = tuple(sys.version_info[:3])) -> list[Finding]:
    """Airflow 3.3 and the lock file need Python 3.11 or 3.12."""
    text = ".".join(str(part) for part in version_info[:3])
    present = (version_info[0], version_info[1])
    hint = "remove .venv, then run: make up PYTHON=python3.12"
    if present < OLDEST_PYTHON:
        return [Finding.fail("Python", f"{text} is older than 3.11", hint)]
    if present > NEWEST_PYTHON:
        return [Finding.warn("Python", f"{text} is newer than what the lock file is tested with (3.12)", hint)]
    return [Finding.ok("Python", text)]


def check_packages(lock: Path) -> list[Finding]:
    """The installed packages are those of the lock file."""
    wanted = read_lock(lock)
    wrong = [
        f"{name} {have or 'is missing'} (wanted {want})"
        for name, want in wanted.items()
        if (have := _installed(name)) != want
    ]
    if wrong:
        shown = ", ".join(wrong[:5]) + (f" and {len(wrong) - 5} more" if len(wrong) > 5 else "")
        return [Finding.fail("packages", shown, "run: touch requirements.txt && make up (it installs the lock file)")]
    named = ", ".join(f"{name.removeprefix('apache-')} {wanted[name]}" for name in _NAMED if name in wanted)
    return [Finding.ok("packages", f"{len(wanted)} as in {lock.name}: {named}")]


def read_lock(lock: Path) -> dict[str, str]:
    """Versions by package name, for this platform and Python."""
    result = {}
    for line in lock.read_text(encoding="utf-8").splitlines():
        text = line.strip().rstrip("\\").strip()
        if not text or text.startswith(("#", "-")) or "==" not in text:
            continue
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate():
            result[requirement.name] = next(iter(requirement.specifier)).version
    return result


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def check_folders(settings: Settings) -> list[Finding]:
    """The instance's folder and the lake can be written, and the disk has room."""
    folders = {"instance folder": settings.home}
    if settings.lake is not None and settings.profile == "local":
        folders["lake folder"] = settings.lake
    result = [_check_folder(name, folder) for name, folder in folders.items()]
    if settings.profile == "local":
        result += _check_lake_path(settings)
    if not Instance(settings.home).exists and settings.home.is_dir() and any(settings.home.iterdir()):
        result.append(
            Finding.fail(
                "instance folder",
                f"{settings.home} contains other files",
                "set MIDNIGHT_HOME to another folder",
            )
        )
    free = shutil.disk_usage(_existing(settings.lake or settings.home)).free
    hint = "free some space, or set MIDNIGHT_HOME (or MIDNIGHT_LAKE) to a folder on another disk"
    name, found = "disk space", f"{free / 1e9:.1f} GB free"
    if free >= COMFORTABLE_BYTES:
        return [*result, Finding.ok(name, found)]
    return [*result, Finding.fail(name, found, hint) if free < NEEDED_BYTES else Finding.warn(name, found, hint)]


def _check_lake_path(settings: Settings) -> list[Finding]:
    try:
        check_lake_path(settings.engine, str(settings.lake or settings.home / "lake"))
    except LakePathError as error:
        return [Finding.of_error("lake folder", error)]
    return []


def _check_folder(name: str, folder: Path) -> Finding:
    place = _existing(folder)
    try:
        if not place.is_dir():
            raise NotADirectoryError(f"{place} is a file")
        with tempfile.TemporaryFile(dir=place) as file:  # leaves no file
            file.write(b"x")
    except OSError as error:
        hint = f"make {place} writable for your user, or set MIDNIGHT_HOME to another folder"
        return Finding.fail(name, f"{folder} cannot be written: {error.strerror or error}", hint)
    return Finding.ok(name, f"{folder} can be written")


def _existing(path: Path) -> Path:
    """The path, or its nearest parent that exists."""
    return next(place for place in [path, *path.parents] if place.exists())


def check_ports(
    instance: Instance, running: Mapping[str, bool], environment: Mapping[str, str] | None = None
) -> list[Finding]:
    """The ports that the services have or would get.

    Args:
        instance: whose ports are saved.
        running: by service (``airflow``, ``source``), whether this instance's own is running.
        environment: may set ports; the process's own by default.
    """
    known = instance.read_state().get("ports", {}) if instance.exists else {}
    given = os.environ if environment is None else environment
    result = []
    for name in VARIABLES:
        try:
            port = choose_port(name, remembered=known.get(name), is_ours=running.get(name, False), environment=given)
        except MidnightError as error:
            result.append(Finding.of_error(f"port of {name}", error))
            continue
        result.append(
            Finding.ok(f"port of {name}", f"{port} {'is in use by this instance' if running.get(name) else 'is free'}")
        )
    return result
