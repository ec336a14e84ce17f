"""Publishing a run, as the operator calls it: choose the build, make the views, record it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from midnight.errors import ServingError
from midnight.gold_to_serving.base_views import base_views_of_build
from midnight.gold_to_serving.delta_snapshot import read_gold_files
from midnight.gold_to_serving.publication import Publication, choose_build, newest_build, record_publication
from midnight.gold_to_serving.publish_duckdb import Content, publish_duckdb, publishing
from midnight.gold_to_serving.publish_synapse import (
    EXISTING_VIEWS,
    ExistingView,
    file_probes,
    restoring_statements,
    synapse_statements,
    view_probes,
)
from midnight.gold_to_serving.reporting_views import azure_only, load_reporting_views
from midnight.lake.files import LakeFiles
from midnight.lake.paths import LakePaths

log = logging.getLogger(__name__)


class Endpoint(Protocol):
    """How statements reach Synapse; each method opens a connection of its own."""

    def query(self, sql: str) -> Iterable[tuple[str, ...]]:
        """The rows of a query over metadata."""

    def probe(self, statements: list[str]) -> str:
        """Run queries one by one, outside of a transaction; why the rest was not asked (see ``run_probes``)."""

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
        database: the file to make.
        batch_id: of the run that publishes; it must have a complete build. None for `make publish`, which also takes
            a development build.
        run_id: Airflow's id of that run.

    Raises:
        ConfigurationError: reporting views are wrong, with all problems.
        ServingError: no build, or a view that does not work; readers keep what they have.
    """
    with publishing(database):
        content = _content(paths, files, configuration, batch_id)
        for name in azure_only(content.reporting_views):
            log.warning("%s is marked as Azure only: it is checked, and not published locally", name)
        rows = publish_duckdb(database, content, paths, files)
        publication = _publication(content, run_id, "duckdb", str(database), rows)
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

    Files are read before the views change, and the views after it; when one cannot be read, the views of the last
    publication are put back.

    Args:
        paths: of the lake.
        files: reads and writes it.
        configuration: the folder with sql/serving.
        batch_id: of the run that publishes; it must have a complete build.
        run_id: Airflow's id of that run.
        database: name of the Synapse database, for the record.
        endpoint: of the database.
        warn: is told what could not be looked at.

    Raises:
        ConfigurationError, ServingError: as ``publish_locally``.
    """
    content = _content(paths, files, configuration, batch_id)
    for view in content.base_views:
        read_gold_files(view, content.build.model_path(paths, view.name), files.storage_options)
    existing = [ExistingView(*map(str, row)) for row in endpoint.query(EXISTING_VIEWS)]
    unread = endpoint.probe(file_probes(content.build, content.base_views))
    views = content.base_views, content.reporting_views
    endpoint.run_in_transaction(synapse_statements(content.build, *views, existing))
    try:
        unread = unread or endpoint.probe(view_probes(*views))
    except ServingError as error:
        _put_back(endpoint, restoring_statements(existing, *views), error)
        raise
    if unread:
        warn(f"the views are published, and nobody has read them yet: {unread}")
    rows: dict[str, int | None] = {f"gold.{v.name}": content.build.models[v.name].rows for v in content.base_views}
    rows |= {f"reporting.{view.name}": None for view in content.reporting_views}
    publication = _publication(content, run_id, "synapse", database, rows)
    record_publication(paths, files, publication)
    return publication


def _put_back(endpoint: Endpoint, statements: list[str], error: ServingError) -> None:
    """Give readers the views of the last publication again.

    Raises:
        ServingError: that failed, too.
    """
    try:
        endpoint.run_in_transaction(statements)
    except ServingError as second:
        raise ServingError(
            f"{error}. But the views of the last publication could not be put back ({second}): readers have the new "
            "ones, and at least one of them cannot be read; clear this task as soon as Synapse can be reached"
        ) from error


def _content(paths: LakePaths, files: LakeFiles, configuration: Path, batch_id: str | None) -> Content:
    build = newest_build(paths, files) if batch_id is None else choose_build(paths, files, batch_id)
    base_views = base_views_of_build(build)
    return Content(build, base_views, load_reporting_views(configuration, base_views))


def _publication(content: Content, run_id: str, engine: str, location: str, rows: dict[str, int | None]) -> Publication:
    return Publication.model_validate(
        {
            "build_id": content.build.build_id,
            "batch_id": content.build.batch_id,
            "run_id": content.build.run_id,
            "published_at": datetime.now(UTC),
            "published_by": run_id,
            "engine": engine,
            "location": location,
            "views": rows,
        }
    )
