"""The page as a file of this machine (local profile). Each run writes it; a failed one as well."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from midnight.atomic_file import write_atomically
from midnight.errors import LakeError, ServingError, first_line
from midnight.lake.files import LakeFiles
from midnight.lake.paths import LakePaths
from midnight.report.run_history import PipelineRun, RunHistory
from midnight.report.status_page import Surroundings, render_status_page
from midnight.summary.document import RunSummary
from midnight.summary.storage import read_newest_summary


def read_summary(files: LakeFiles, paths: LakePaths) -> tuple[RunSummary | None, str]:
    """The newest summary, or why it cannot be read: the page is shown all the same."""
    try:
        return read_newest_summary(files, paths), ""
    except (LakeError, OSError) as error:
        return None, first_line(error)


def write_status_page(
    page: Path,
    *,
    files: LakeFiles,
    paths: LakePaths,
    around: Surroundings,
    now: datetime,
    failed: PipelineRun | None = None,
) -> None:
    """Write the page of the newest summary.

    Args:
        page: the file, replaced atomically.
        files: of the lake.
        paths: of the lake.
        around: the pipeline.
        now: the current time.
        failed: the run that has just failed; None if none has.

    Raises:
        ServingError: the page cannot be written.
    """
    summary, problem = read_summary(files, paths)
    history = RunHistory((failed,)) if failed else RunHistory()
    write_page(page, render_status_page(summary, history, around, now, problem=problem).html)


def write_page(page: Path, text: str) -> None:
    """Replace a page atomically; only its owner may read it (0600, the mode of mkstemp).

    Raises:
        ServingError: the page cannot be written.
    """
    try:
        page.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(page, text)
    except OSError as error:
        raise ServingError(
            f"{page} cannot be written: {error}; hint: check the free space and the permissions of its folder"
        ) from error
