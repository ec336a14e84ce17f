"""Publish to a DuckDB file, the local counterpart of Synapse: one file with the same views, replaced atomically."""

from __future__ import annotations

import fcntl
import shutil
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from midnight.errors import ServingError
from midnight.gold_to_serving.base_views import BASE_SCHEMA, BaseView, duckdb_base_view
from midnight.gold_to_serving.delta_snapshot import read_delta_snapshot
from midnight.gold_to_serving.local_views import prepare_database
from midnight.gold_to_serving.probe_run_views import probe_locally
from midnight.gold_to_serving.recorded_gold import read_recorded_gold
from midnight.gold_to_serving.reporting_views import REPORTING_SCHEMA, ReportingView
from midnight.gold_to_serving.run_views import RUN_SCHEMA, RUN_VIEWS, duckdb_run_view, run_view_name
from midnight.gold_to_serving.view_read_back import compare_views
from midnight.lake.files import LakeFiles
from midnight.lake.paths import LakePaths
from midnight.reconciliation.record import LinkRecord
from midnight.silver_to_gold.builds import GoldBuild
from midnight.sql_text import quote_identifier, quote_relation, text_literal

_TEMPORARY = ".serving-"


@dataclass(frozen=True)
class ViewSet:
    """The views of one publication.

    Args:
        build: the build of gold.
        base_views: of that build.
        reporting_views: each after those that it reads.
    """

    build: GoldBuild
    base_views: Sequence[BaseView]
    reporting_views: Sequence[ReportingView]


@dataclass(frozen=True)
class LocalPublication:
    """What a new serving file has.

    Args:
        rows: of each view ``gold.x`` and ``reporting.x``.
        records: what was compared with gold.
        unreadable: view of the schema ``midnight`` -> why it cannot be read.
    """

    rows: dict[str, int | None]
    records: list[LinkRecord]
    unreadable: dict[str, str]


@contextmanager
def publication_lock(database: Path) -> Iterator[None]:
    """Hold the lock of the serving file; leftovers of a killed publisher are removed.

    Choose the build while holding it, so that the later of two publishers cannot publish the older build.
    """
    database.parent.mkdir(parents=True, exist_ok=True)
    with (database.parent / f".{database.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for leftover in database.parent.glob(f"{_TEMPORARY}*"):
            shutil.rmtree(leftover, ignore_errors=True)
        yield


def publish_duckdb(database: Path, views: ViewSet, paths: LakePaths, files: LakeFiles) -> LocalPublication:
    """Write a new file with all views, query each of them, and replace the old file.

    Args:
        database: the file; a reader that has the old one open keeps reading it.
        views: to publish.
        paths: of the lake.
        files: reads it.

    Raises:
        ReconciliationError: a view shows other rows than the job of gold has written; the old file is kept.
        ServingError: a view failed or does not have the rows of its build, or the file could not be written; the old
            file is kept.
    """
    folders = {view.name: paths.run_rows_folder(view.name) for view in RUN_VIEWS}
    unreadable = probe_locally(folders)
    folder = Path(tempfile.mkdtemp(dir=database.parent, prefix=_TEMPORARY))
    try:
        fresh = folder / database.name  # the same name: views may contain the catalogue's name
        with duckdb.connect(str(fresh)) as connection:
            connection.begin()  # one write to the disk instead of one per statement
            _create(connection, views, paths)
            _create_run_views(connection, folders, unreadable)
            connection.commit()
            rows = _query_views(connection, views)
            recorded = read_recorded_gold(views.build, paths, files)
            records = compare_views(connection, views.base_views, recorded)
        fresh.chmod(0o600)  # it contains rows of the source
        fresh.replace(database)
    except (duckdb.Error, OSError) as error:
        raise ServingError(
            f"{database} could not be written: {error}; readers keep the file of the last publication; "
            "hint: check the free space and the permissions of its folder, then clear this task"
        ) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return LocalPublication(rows, records, unreadable)


@contextmanager
def empty_database() -> Iterator[duckdb.DuckDBPyConnection]:
    """A database in memory like the serving file, with the tables of ``midnight`` and without its views."""
    with duckdb.connect() as connection:
        prepare_database(connection)
        _create_run_views(connection, {})
        yield connection


def _create(connection: duckdb.DuckDBPyConnection, views: ViewSet, paths: LakePaths) -> None:
    prepare_database(connection)
    for view in views.base_views:
        gold = read_delta_snapshot(view, views.build.model_path(paths, view.name))
        name = f"{BASE_SCHEMA}.{view.name}"
        _execute(connection, name, duckdb_base_view(view, gold.files, gold.partitioned))
        _describe(connection, name, view)
    for reporting_view in views.reporting_views:
        if reporting_view.duckdb is not None:
            _execute(connection, f"{REPORTING_SCHEMA}.{reporting_view.name}", reporting_view.duckdb)


def _create_run_views(
    connection: duckdb.DuckDBPyConnection, folders: Mapping[str, str], unreadable: Collection[str] = ()
) -> None:
    """The views of the schema midnight, over files that later runs add to; without a folder, or unreadable: no rows."""
    connection.execute(f"CREATE SCHEMA {quote_identifier(RUN_SCHEMA)}")
    for view in RUN_VIEWS:
        folder = None if run_view_name(view) in unreadable else folders.get(view.name)
        for statement in duckdb_run_view(view, folder):
            connection.execute(statement)


def _describe(connection: duckdb.DuckDBPyConnection, name: str, view: BaseView) -> None:
    """Add the contract's descriptions as comments, which SQL tools show."""
    quoted = ".".join(quote_identifier(part) for part in name.split("."))
    if view.description:
        connection.execute(f"COMMENT ON VIEW {quoted} IS {text_literal(view.description)}")
    for column in view.columns:
        if column.description:
            target = f"{quoted}.{quote_identifier(column.name)}"
            connection.execute(f"COMMENT ON COLUMN {target} IS {text_literal(column.description)}")


def _query_views(connection: duckdb.DuckDBPyConnection, views: ViewSet) -> dict[str, int | None]:
    """Check that each base view has the rows that its build recorded, and that each reporting view can be computed."""
    counts: dict[str, int | None] = {}
    for view in views.base_views:
        name = f"{BASE_SCHEMA}.{view.name}"
        quoted = f"{quote_relation(BASE_SCHEMA, view.name)}"
        _execute(connection, name, f"SELECT * FROM {quoted} LIMIT 1")
        rows = _execute(connection, name, f"SELECT count(*) FROM {quoted}").fetchall()[0][0]
        recorded = views.build.models[view.name].rows
        if rows != recorded:
            raise ServingError(
                f"{name} has {rows} rows, but build {views.build.build_id!r} recorded {recorded}; readers keep the "
                "views of the last publication; hint: build gold again with the DAG midnight_rebuild"
            )
        counts[name] = rows
    for reporting_view in views.reporting_views:
        if reporting_view.duckdb is None:
            continue
        name = f"{REPORTING_SCHEMA}.{reporting_view.name}"
        quoted = f"{quote_relation(REPORTING_SCHEMA, reporting_view.name)}"
        # The hash makes DuckDB compute every value without storing it: an error must appear now, not to a reader.
        result = _execute(connection, name, f"SELECT count(*), bit_xor(hash(v)) FROM (SELECT * FROM {quoted}) AS v")
        counts[name] = result.fetchall()[0][0]
    return counts


def _execute(connection: duckdb.DuckDBPyConnection, view: str, sql: str) -> duckdb.DuckDBPyConnection:
    try:
        return connection.execute(sql)
    except duckdb.IOException:
        raise
    except duckdb.Error as error:
        raise ServingError(
            f"the view {view} failed: {str(error).rstrip('. ')}; readers keep the views of the last publication; "
            "hint: correct its SQL in include/sql, then clear this task"
        ) from error
