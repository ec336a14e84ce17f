"""The build to publish, and the record of the publication."""

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
        build_id: the published build; ``batch_id`` and ``run_id`` are those of the build.
        published_at: when the views were replaced; ``published_by`` is the Airflow run that did it.
        engine: of the views; ``location`` is the file or database.
        views: ``gold.x`` or ``reporting.x`` -> number of rows; None where they were not counted.
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
    """Return the build to publish: the newest complete one, if the run's own batch has a complete build.

    A build is recorded after its checks have passed. Readers therefore keep the newest data when the task of an older
    run is cleared, and a run whose gold failed its checks publishes nothing.

    Args:
        paths: of the lake.
        files: reads it.
        batch_id: of the run that publishes.

    Raises:
        ServingError: the run's batch has no complete build.
    """
    builds = read_builds(paths.gold_builds, files.storage_options)
    if batch_id not in {build.batch_id for build in builds}:
        newest = f"the newest complete build is of batch {builds[-1].batch_id!r}" if builds else "gold has no build yet"
        raise ServingError(
            f"batch {batch_id!r} has no complete build of gold ({newest}); the views are unchanged; "
            "hint: read the log of the task silver_to_gold, fix the cause and clear that task"
        )
    return builds[-1]


def newest_build(paths: LakePaths, files: LakeFiles) -> GoldBuild:
    """Return the build that `make publish` publishes: the newest complete one, of a run or of `make build`.

    Raises:
        ServingError: there is no complete build.
    """
    builds = read_all_builds(paths, files.storage_options)
    if not builds:
        raise ServingError(f"gold in {paths.gold} has no complete build yet; hint: run make up, or make build")
    return builds[-1]


def read_publication(paths: LakePaths, files: LakeFiles) -> Publication | None:
    """Return the record of the current publication; None before the first one.

    Raises:
        ServingError: the record is not valid.
    """
    text = files.read_text(paths.published)
    if text is None:
        return None
    try:
        return Publication.model_validate_json(text)
    except ValidationError as error:
        raise ServingError(
            f"{paths.published} is damaged: {error}; hint: delete it; the next run writes it again"
        ) from error


def record_publication(paths: LakePaths, files: LakeFiles, publication: Publication) -> None:
    """Write the record; call it after the views have been replaced."""
    files.write_text(paths.published, publication.model_dump_json(indent=1))
