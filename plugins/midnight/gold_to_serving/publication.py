"""Which build readers get, and the record of what was published."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from midnight.errors import ServingError
from midnight.lake.files import LakeFiles
from midnight.lake.paths import LakePaths
from midnight.silver_to_gold.builds import GoldBuild, read_builds
from midnight.silver_to_gold.development_builds import read_all_builds


class Publication(BaseModel):
    """The content of ``LakePaths.published``.

    Args:
        build_id: the build that the views show; ``batch_id`` and ``run_id`` are those of the build.
        published_at: when the views changed; ``published_by`` the Airflow run that did it.
        engine: where the views are; ``location`` the file or database.
        views: ``gold.x`` or ``reporting.x`` -> rows, where they were counted.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    build_id: str
    batch_id: str
    run_id: str
    published_at: datetime
    published_by: str
    engine: Literal["duckdb", "synapse"]
    location: str
    views: dict[str, int | None]


def choose_build(paths: LakePaths, files: LakeFiles, batch_id: str) -> GoldBuild:
    """The build to publish: the newest complete one, provided that this run's batch has one at all.

    A build passed its checks before it was recorded. When the task of an older run is cleared, readers therefore keep
    the newest data; a run whose own gold did not pass publishes nothing.

    Args:
        paths: of the lake.
        files: reads it.
        batch_id: of the run that wants to publish.

    Raises:
        ServingError: the run's batch has no complete build.
    """
    builds = read_builds(paths.gold_builds, files.storage_options)
    if batch_id not in {build.batch_id for build in builds}:
        newest = f"the newest complete build is of batch {builds[-1].batch_id!r}" if builds else "gold has no build yet"
        raise ServingError(
            f"batch {batch_id!r} has no complete build of gold ({newest}); the views stay as they are. "
            "See the log of the task silver_to_gold, and clear that task"
        )
    return builds[-1]


def newest_build(paths: LakePaths, files: LakeFiles) -> GoldBuild:
    """The build that `make publish` publishes: the newest complete one, whether a run made it or `make build`.

    Raises:
        ServingError: there is none.
    """
    builds = read_all_builds(paths, files.storage_options)
    if not builds:
        raise ServingError(f"gold in {paths.gold} has no complete build yet; hint: make up, or make build")
    return builds[-1]


def read_publication(paths: LakePaths, files: LakeFiles) -> Publication | None:
    """What readers see now; None before the first night.

    Raises:
        ServingError: the record cannot be understood.
    """
    text = files.read_text(paths.published)
    if text is None:
        return None
    try:
        return Publication.model_validate_json(text)
    except ValidationError as error:
        raise ServingError(
            f"{paths.published} is damaged: {error}; delete it, the next night writes it anew"
        ) from error


def record_publication(paths: LakePaths, files: LakeFiles, publication: Publication) -> None:
    """Write the record, after the views have changed."""
    files.write_text(paths.published, publication.model_dump_json(indent=1))
