"""Runs ``make init`` for a test."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from cli.commands import init
from cli.postgres.embedded import Server


def url(server: Server) -> str:
    """The login as the URL that ``make init`` is given."""
    return f"postgresql://{server.user}:{quote(server.password, safe='')}@{server.host}:{server.port}/{server.database}"


def run_init(source: str) -> int:
    """Run the command in this process; returns its exit code."""
    return init.main(source=source)


def files_of(folder: Path) -> dict[str, str]:
    """The text of every file, by its path relative to the folder."""
    return {str(path.relative_to(folder)): path.read_text() for path in sorted(folder.rglob("*")) if path.is_file()}
