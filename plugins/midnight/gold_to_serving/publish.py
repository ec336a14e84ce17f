"""Publish a run, as the operator calls it: choose the build, replace the views, record the publication."""

from __future__ import annotations

import json
import logging
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from midnight.errors import DataLimitError, MidnightError, ReconciliationError, ServingError
from midnight.gold_to_serving.base_views import BASE_SCHEMA, base_views_of_build, synapse_base_view
from midnight.gold_to_serving.delta_snapshot import read_delta_snapshot
from midnight.gold_to_serving.probe_run_views import probe_on_synapse, warn_of
from midnight.gold_to_serving.publication import Publication, choose_build, newest_build, record_publication
from midnight.gold_to_serving.publish_duckdb import ViewSet, publication_lock, publish_duckdb
from midnight.gold_to_serving.publish_synapse import Read
from midnight.gold_to_serving.recorded_gold import RecordedGold, read_recorded_gold
from midnight.gold_to_serving.reporting_views import REPORTING_SCHEMA, azure_only, load_reporting_views
from midnight.gold_to_serving.run_rows import prepare_run_rows
from midnight.gold_to_serving.synapse_read_back import compare_before_publication, count_published
from midnight.gold_to_serving.synapse_statements import (
    EXISTING_VIEWS,
    ExistingView,
    is_same_view,
    publication_statements,
    rollback_statements,
    view_probe,
)
from midnight.gold_to_serving.view_read_back import REBUILD_HINT, record_views
from midnight.lake.files import LakeFiles
from midnight.lake.paths import LakePaths
from midnight.reconciliation.read_back import stop_on_difference
from midnight.silver_to_gold.builds import GoldBuild

log = logging.getLogger(__name__)


class Endpoint(Protocol):
    """Access to Synapse; each method opens a connection of its own."""

    def query(self, sql: str) -> Iterable[tuple[str, ...]]:
        """Return the rows of a query over metadata."""

    def reading(self) -> AbstractContextManager[Read]:
        """A connection for queries over data, outside of a transaction (``publish_synapse.reading``)."""

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
        prepare_run_rows(files, paths)
        done = publish_duckdb(database, views, paths, files)
        record_views(paths, files, views.build, run_id, done.records)
        warn_of(done.unreadable)
        publication = _publication(
            views.build, run_id, engine="duckdb", location=str(database), views=done.rows, unreadable=done.unreadable
        )
        return record_publication(paths, files, publication)


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

    What the new views will show is compared with gold before the views change. Afterwards the rows of each view are
    counted; when one cannot be read, or has other rows, the views of the last publication are restored. A view of the
    schema ``midnight`` that cannot be read is only a warning.

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
        ReconciliationError: a view shows other rows than the job of gold has written.
    """
    views = _read_views(paths, files, configuration, batch_id)
    for view in views.base_views:
        read_delta_snapshot(view, views.build.model_path(paths, view.name), files.storage_options)
    prepare_run_rows(files, paths)
    recorded = read_recorded_gold(views.build, paths, files)
    existing = [ExistingView(*map(str, row)) for row in endpoint.query(EXISTING_VIEWS)]
    same = _same_views(views, existing)
    with endpoint.reading() as read:
        records, skipped = compare_before_publication(read, views.base_views, recorded, same)
    record_views(paths, files, views.build, run_id, records)
    stop_on_difference(records, f"the views were not replaced; {REBUILD_HINT}")
    published = views.base_views, views.reporting_views
    endpoint.run_in_transaction(publication_statements(views.build, *published, existing))
    try:
        skipped = skipped or _read_published(endpoint, views, recorded)
    except (ServingError, ReconciliationError) as error:
        _restore(endpoint, rollback_statements(existing, *published), error)
        raise
    unreadable: dict[str, str] = {}
    if not skipped:
        unreadable, skipped = probe_on_synapse(endpoint.reading)
        warn_of(unreadable)
    if skipped:
        warn(f"the views are published, but were not probed: {skipped}")
    rows: dict[str, int | None] = {f"gold.{v.name}": views.build.models[v.name].rows for v in views.base_views}
    rows |= {f"reporting.{view.name}": None for view in views.reporting_views}
    publication = _publication(
        views.build, run_id, engine="synapse", location=database, views=rows, unreadable=unreadable
    )
    return record_publication(paths, files, publication)


def _same_views(views: ViewSet, existing: Iterable[ExistingView]) -> set[str]:
    """Names of the base views whose definition does not change."""
    known = {view.name: view for view in existing if view.schema == BASE_SCHEMA}
    statements = {v.name: synapse_base_view(v, views.build.models[v.name].path) for v in views.base_views}
    return {name for name, sql in statements.items() if name in known and is_same_view(known[name], sql)}


def _read_published(endpoint: Endpoint, views: ViewSet, recorded: RecordedGold) -> str:
    """Count the rows of each base view, and read one of each reporting view; return why the rest was not read."""
    try:
        with endpoint.reading() as read:
            for view in views.base_views:
                if recorded.method != "off":
                    count_published(read, view, recorded)
                else:
                    deque(read(view_probe(BASE_SCHEMA, view.name)), maxlen=0)
            for reporting_view in views.reporting_views:
                deque(read(view_probe(REPORTING_SCHEMA, reporting_view.name)), maxlen=0)
    except DataLimitError as error:
        return str(error)
    return ""


def _restore(endpoint: Endpoint, statements: list[str], error: MidnightError) -> None:
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
    without = _never_built(paths, files, build)
    for name in without:
        log.warning("%s was never built, since a table that it reads is stopped: its views are not published", name)
    return ViewSet(build, base_views, load_reporting_views(configuration, base_views, without=without))


def _never_built(paths: LakePaths, files: LakeFiles, build: GoldBuild) -> list[str]:
    """Models that the build lacks, because its run has stopped a table and no earlier build has them."""
    document = json.loads(files.read_text(paths.run_document(build.batch_id)) or "{}")
    if not document.get("stopped"):
        return []
    names = sorted(str(model["name"]) for model in document.get("models", ()))
    return [f"{BASE_SCHEMA}.{name}" for name in names if name not in build.models]


def _publication(build: GoldBuild, run_id: str, **found: Any) -> Publication:
    """The record; ``found``: see ``Publication``."""
    return Publication.model_validate(
        {
            "build_id": build.build_id,
            "batch_id": build.batch_id,
            "run_id": build.run_id,
            "published_at": datetime.now(UTC),
            "published_by": run_id,
            **found,
        }
    )
