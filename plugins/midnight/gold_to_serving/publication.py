"""The build to publish, and the record of the publication."""

from __future__ import annotations

import contextlib
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from midnight.errors import ServingError
from midnight.gold_to_serving.base_views import BASE_SCHEMA
from midnight.lake.files import LakeFiles
from midnight.lake.paths import LakePaths
from midnight.silver_to_gold.builds import BuiltModel, GoldBuild, read_builds
from midnight.silver_to_gold.development_builds import read_all_builds


class Publication(BaseModel):
    """The content of ``LakePaths.published``.

    Args:
        build_id: the published build; ``batch_id`` and ``run_id`` are those of the build.
        published_at: when the views were replaced; ``published_by`` is the Airflow run that did it.
        engine: of the views; ``location`` is the file or database.
        views: ``gold.x`` or ``reporting.x`` -> number of rows; None where they were not counted.
        unreadable: view of the schema ``midnight`` that cannot be read -> why; all other views are published.
        replaced_build_id: the build that readers saw before this run published; empty for the first publication.
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
    unreadable: dict[str, str] = {}
    replaced_build_id: str = ""


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


def changed_models(paths: LakePaths, files: LakeFiles, publication: Publication) -> dict[str, BuiltModel]:
    """The published models whose tables readers did not see before the run of the publication, by name.

    Args:
        paths: of the lake.
        files: reads it.
        publication: as recorded.
    """
    builds = {build.build_id: build for build in read_all_builds(paths, files.storage_options)}
    before = builds.get(publication.replaced_build_id)
    seen = {} if before is None else {name: model.path for name, model in before.models.items()}
    models = builds[publication.build_id].models if publication.build_id in builds else {}
    return {
        name: model
        for name, model in sorted(models.items())
        if seen.get(name) != model.path and f"{BASE_SCHEMA}.{name}" in publication.views
    }


def record_publication(paths: LakePaths, files: LakeFiles, publication: Publication) -> Publication:
    """Write the record, with the build that it replaces; call it after the views have been replaced."""
    replaced = ""
    with contextlib.suppress(ServingError):  # a damaged record is replaced
        before = read_publication(paths, files)
        if before is not None:  # another try of the same run has the same build before it
            same_run = before.published_by == publication.published_by
            replaced = before.replaced_build_id if same_run else before.build_id
    recorded = publication.model_copy(update={"replaced_build_id": replaced})
    files.write_text(paths.published, recorded.model_dump_json(indent=1))
    return recorded
