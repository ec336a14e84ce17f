"""Where the summaries of runs are kept: one JSON document per run, in ``LakePaths.summaries``."""

from __future__ import annotations

from pydantic import ValidationError

from midnight.errors import LakeError, first_line
from midnight.lake.files import LakeFiles
from midnight.lake.paths import LakePaths
from midnight.summary.document import RunSummary


def write_summary(files: LakeFiles, paths: LakePaths, summary: RunSummary) -> None:
    """Write the summary of a run; a later try of the same run replaces it."""
    files.write_text(paths.summary(summary.figures.batch_id), summary.model_dump_json())


def read_newest_summary(files: LakeFiles, paths: LakePaths, before: str = "") -> RunSummary | None:
    """The summary of the newest batch; None if there is none.

    Args:
        files: of the lake.
        paths: of the lake.
        before: only of batches older than this one.

    Raises:
        LakeError: the document is not a summary.
    """
    names = [name.removesuffix(".json") for name in files.list_names(paths.summaries) if name.endswith(".json")]
    found = [name for name in names if not before or name < before]
    return read_summary(files, paths, max(found)) if found else None


def read_summary(files: LakeFiles, paths: LakePaths, batch_id: str) -> RunSummary | None:
    """The summary of a batch; None if there is none.

    Raises:
        LakeError: the document is not a summary.
    """
    path = paths.summary(batch_id)
    text = files.read_text(path)
    if text is None:
        return None
    try:
        return RunSummary.model_validate_json(text)
    except ValidationError as error:
        message = f"{path} is not the summary of a run: {first_line(error)}; hint: delete it, the next run writes one"
        raise LakeError(message) from error
