"""What a process has imported: when the files change, the process is stale."""

from __future__ import annotations

import sysconfig
from collections.abc import Sequence
from pathlib import Path

CodeState = frozenset[tuple[str, int, int]]


def read_code_state(folders: Sequence[Path]) -> CodeState:
    """Paths, times of change and sizes of the Python files of the folders, and the installed packages.

    A few hundred files take some milliseconds.
    """
    files = [path for folder in folders for path in folder.rglob("*.py")]
    packages = Path(sysconfig.get_path("purelib")).glob("*.dist-info")
    state = []
    for path in [*files, *packages]:
        try:
            facts = path.stat()
        except FileNotFoundError:  # an editor replaces a file
            continue
        state.append((str(path), facts.st_mtime_ns, facts.st_size))
    return frozenset(state)
