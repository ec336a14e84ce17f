"""Publish a run, as the operator calls it: choose the build, replace the views, record the publication."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from midnight.errors import ServingError
from midnight.gold_to_serving.base_views import base_views_of_build
from midnight.gold_to_serving.delta_snapshot import read_delta_snapshot
from midnight.gold_to_serving.publication import Publication, choose_build, newest_build, record_publication
from midnight.gold_to_serving.publish_duckdb import ViewSet, publication_lock, publish_duckdb
from midnight.gold_to_serving.reporting_views import azure_only, load_reporting_views
from midnight.gold_to_serving.synapse_statements import (
    EXISTING_VIEWS,
    ExistingView,
    file_probes,
    publication_statements,
    rollback_statements,
    view_probes,
)
from midnight.lake.files import LakeFiles
from midnight.lake.paths import LakePaths

log = logging.getLogger(__name__)


class Endpoint(Protocol):
    """Access to Synapse; each method opens a connection of its own."""

    def query(self, sql: str) -> Iterable[tuple[str, ...]]:
        """Return the rows of a query over metadata."""

    def probe(self, statements: list[str]) -> str:
        """Run queries one by one, outside of a transaction; return why the rest was skipped (see ``run_probes``)."""

    def run_in_transaction(self, statements: list[str]) -> object:
        """Run statements one by one and commit after the last; roll back when one fails."""


def publish_locally(
    *, paths: LakePaths, files: LakeFiles, configuration: Path, database: Path, batch_id: str | None, run_id: str
) -> Publication:
    """Publish the newest complete build as a DuckDB file.

    Args:
        paths: of the lake.
        files: reads and writes it.
        configuration: the folder with sql/serving.
        database: the file to write.
        batch_id: of the run that publishes; it must have a complete build. None for `make publish`, which also accepts
            a development build.
        run_id: Airflow's id of that run.

    Raises:
        ConfigurationError: lists all problems of the reporting views.
        ServingError: there is no build, or a view failed; readers keep the views of the last publication.
    """
    with publication_lock(database):
        views = _read_views(paths, files, configuration, batch_id)
        for name in azure_only(views.reporting_views):
            log.warning("%s is marked as Azure only: it is checked, but not published locally", name)
        rows = publish_duckdb(database, views, paths, files)
        publication = _publication(views, run_id, "duckdb", str(database), rows)
        record_publication(paths, files, publication)
    return publication


def publish_on_synapse(
    *,
    paths: LakePaths,
    files: LakeFiles,
    configuration: Path,
    database: str,
    batch_id: str,
    run_id: str,
    endpoint: Endpoint,
    warn: Callable[[str], object],
) -> Publication:
    """Publish the newest complete build as views of Synapse serverless.

    The files are read before the views change, the views afterwards; when one cannot be read, the views of the last
    publication are restored.

    Args:
        paths: of the lake.
        files: reads and writes it.
        configuration: the folder with sql/serving.
        database: name of the Synapse database, for the record.
        batch_id: of the run that publishes; it must have a complete build.
        run_id: Airflow's id of that run.
        endpoint: of the database.
        warn: called with a message when the views could not be probed.

    Raises:
        ConfigurationError, ServingError: as ``publish_locally``.
    """
    views = _read_views(paths, files, configuration, batch_id)
    for view in views.base_views:
        read_delta_snapshot(view, views.build.model_path(paths, view.name), files.storage_options)
    existing = [ExistingView(*map(str, row)) for row in endpoint.query(EXISTING_VIEWS)]
    skipped = endpoint.probe(file_probes(views.build, views.base_views))
    published = views.base_views, views.reporting_views
    endpoint.run_in_transaction(publication_statements(views.build, *published, existing))
    try:
        skipped = skipped or endpoint.probe(view_probes(*published))
    except ServingError as error:
        _restore(endpoint, rollback_statements(existing, *published), error)
        raise
    if skipped:
        warn(f"the views are published, but were not probed: {skipped}")
    rows: dict[str, int | None] = {f"gold.{v.name}": views.build.models[v.name].rows for v in views.base_views}
    rows |= {f"reporting.{view.name}": None for view in views.reporting_views}
    publication = _publication(views, run_id, "synapse", database, rows)
    record_publication(paths, files, publication)
    return publication


def _restore(endpoint: Endpoint, statements: list[str], error: ServingError) -> None:
    """Restore the views of the last publication.

    Raises:
        ServingError: that failed as well; the message names both errors.
    """
    try:
        endpoint.run_in_transaction(statements)
    except ServingError as second:
        raise ServingError(
            f"{error}. The views of the last publication could not be restored either ({second}): readers have the new "
            "ones, and at least one of them cannot be read; hint: clear this task when Synapse is reachable again"
        ) from error


def _read_views(paths: LakePaths, files: LakeFiles, configuration: Path, batch_id: str | None) -> ViewSet:
    build = newest_build(paths, files) if batch_id is None else choose_build(paths, files, batch_id)
    base_views = base_views_of_build(build)
    return ViewSet(build, base_views, load_reporting_views(configuration, base_views))


def _publication(views: ViewSet, run_id: str, engine: str, location: str, rows: dict[str, int | None]) -> Publication:
    return Publication.model_validate(
        {
            "build_id": views.build.build_id,
            "batch_id": views.build.batch_id,
            "run_id": views.build.run_id,
            "published_at": datetime.now(UTC),
            "published_by": run_id,
            "engine": engine,
            "location": location,
            "views": rows,
        }
    )
