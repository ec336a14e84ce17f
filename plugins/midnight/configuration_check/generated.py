"""Which generated files are stale, compared with their sources."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

from midnight.errors import ConfigurationProblem

# Folders in which every file is generated.
GENERATED_FOLDERS = {
    "powerbi": ("powerbi/*.Report", "powerbi/*.SemanticModel"),
    "adf": ("adf",),
    "databricks": ("databricks",),
    "schemas": ("schemas",),
}


def stale_files(root: Path, wanted: Mapping[str, str], folders: Iterable[str]) -> dict[str, str | None]:
    """Stale files with their current text; None for a file that nothing generates any more.

    Args:
        root: folder to which the paths are relative.
        wanted: path -> text.
        folders: patterns of folders in which every file is generated.
    """
    stale: dict[str, str | None] = {
        path: text
        for path, text in wanted.items()
        if not (root / path).is_file() or (root / path).read_text(encoding="utf-8") != text
    }
    for folder in folders:
        found = (path for path in root.glob(f"{folder}/**/*") if path.is_file())
        paths = {path.relative_to(root).as_posix() for path in found}
        stale |= dict.fromkeys(paths - wanted.keys())
    return stale


def stale_project(
    folder: Path, project: Literal["powerbi", "adf", "databricks"], wanted: Mapping[str, str]
) -> list[ConfigurationProblem]:
    """A warning if generated files of a project are stale.

    Args:
        folder: the configuration folder.
        project: its folder there.
        wanted: path below the configuration folder -> text.
    """
    stale = sorted(stale_files(folder, wanted, GENERATED_FOLDERS[project]))
    if not stale:
        return []
    others = f" (one of {len(stale)} stale files in {project}/)" if len(stale) > 1 else ""
    message = f"is stale{others}; hint: run python -m tools.generated_files"
    return [ConfigurationProblem(stale[0], None, "", message)]
