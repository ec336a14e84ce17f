"""The server process of a cluster, found by PostgreSQL's own file ``postmaster.pid``."""

from __future__ import annotations

from pathlib import Path

import psutil


def pid_file_lines(data: Path) -> list[str]:
    """The lines of ``postmaster.pid``; none without the file.

    Args:
        data: data folder of the cluster.
    """
    try:
        return (data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []


def running_postmaster(data: Path) -> psutil.Process | None:
    """The process of postmaster.pid, if it is the server of this cluster: process ids are reused."""
    lines = pid_file_lines(data)
    if not lines:
        return None
    try:
        process = psutil.Process(int(lines[0]))
        is_ours = process.status() != psutil.STATUS_ZOMBIE and Path(process.cwd()) == data.resolve()
    except (ValueError, psutil.NoSuchProcess, psutil.AccessDenied):
        return None
    return process if is_ours else None
