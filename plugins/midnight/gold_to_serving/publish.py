"""Publishing a run, as the operator calls it: choose the build, make the views, record it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path

from midnight.gold_to_serving.base_views import base_views_of_build
from midnight.gold_to_serving.gold_files import read_gold_files
from midnight.gold_to_serving.publication import Publication, choose_build, newest_build, record_publication
from midnight.gold_to_serving.publish_duckdb import Content, publish_duckdb, publishing
from midnight.gold_to_serving.publish_synapse import EXISTING_VIEWS, synapse_statements
from midnight.gold_to_serving.reporting_views import azure_only, load_reporting_views
from midnight.lake_files import LakeFiles
from midnight.lake_paths import LakePaths

log = logging.getLogger(__name__)
Query = Callable[[str], Iterable[tuple[str, str]]]
RunInTransaction = Callable[[list[str]], object]


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
    query: Query,
    run_in_transaction: RunInTransaction,
) -> Publication:
    """Publish the newest complete build as views of Synapse serverless.

    Args:
        paths: of the lake.
        files: reads and writes it.
        configuration: the folder with sql/serving.
        batch_id: of the run that publishes; it must have a complete build.
        run_id: Airflow's id of that run.
        database: name of the Synapse database, for the record.
        query: runs a SELECT and gives its rows.
        run_in_transaction: runs statements one by one and commits after the last; rolls back when one fails.

    Raises:
        ConfigurationError, ServingError: as ``publish_locally``.
    """
    content = _content(paths, files, configuration, batch_id)
    for view in content.base_views:
        read_gold_files(view, content.build.model_path(paths.gold, view.name), files.storage_options)
    existing = [(str(schema), str(view)) for schema, view in query(EXISTING_VIEWS)]
    run_in_transaction(synapse_statements(content.build, content.base_views, content.reporting_views, existing))
    rows: dict[str, int | None] = {f"gold.{v.name}": content.build.models[v.name].rows for v in content.base_views}
    rows |= {f"reporting.{view.name}": None for view in content.reporting_views}
    publication = _publication(content, run_id, "synapse", database, rows)
    record_publication(paths, files, publication)
    return publication


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
