"""The local stand-in for Synapse: one DuckDB file with the same views.

Readers see the old file or the new one, never half.
"""

from __future__ import annotations

import fcntl
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb  # noqa: TID253 - no DAG file imports this module

from midnight.errors import ServingError
from midnight.gold_to_serving.base_views import BASE_SCHEMA, BaseView, duckdb_base_view
from midnight.gold_to_serving.delta_snapshot import read_gold_files
from midnight.gold_to_serving.local_views import prepare
from midnight.gold_to_serving.reporting_views import REPORTING_SCHEMA, ReportingView
from midnight.gold_to_serving.run_tables import create_run_tables
from midnight.lake.files import LakeFiles, open_local_lake
from midnight.lake.paths import LakePaths
from midnight.silver_to_gold.builds import GoldBuild
from midnight.sql_text import quote_identifier, quote_relation, text_literal

NIGHT_SCHEMA = "midnight"
_TEMPORARY = ".serving-"


@dataclass(frozen=True)
class Content:
    """What the file shall show.

    Args:
        build: the build of gold.
        base_views: of that build.
        reporting_views: each after those that it reads.
    """

    build: GoldBuild
    base_views: Sequence[BaseView]
    reporting_views: Sequence[ReportingView]


@contextmanager
def publishing(database: Path) -> Iterator[None]:
    """One publisher at a time; what a killed one left is removed.

    Choose the build inside, so that of two publishers the later one cannot bring back the older build.
    """
    database.parent.mkdir(parents=True, exist_ok=True)
    with (database.parent / f".{database.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for left in database.parent.glob(f"{_TEMPORARY}*"):
            shutil.rmtree(left, ignore_errors=True)
        yield


def publish_duckdb(database: Path, content: Content, paths: LakePaths, files: LakeFiles) -> dict[str, int | None]:
    """Make a new file with all views, try each of them, and put it in the place of the old file.

    Args:
        database: the file; who has the old one open keeps reading it.
        content: what to show.
        paths: of the lake.
        files: reads it.

    Returns:
        ``gold.x`` and ``reporting.x`` with their rows.

    Raises:
        ServingError: a view does not work or does not show the rows of its build, or the disk is full; the old file
            stays.
    """
    folder = Path(tempfile.mkdtemp(dir=database.parent, prefix=_TEMPORARY))
    try:
        fresh = folder / database.name  # the same name, since views may remember the catalogue that it gives
        with duckdb.connect(str(fresh)) as connection:
            connection.begin()  # one write to the disk instead of one per statement
            _create(connection, content, paths, files)
            connection.commit()
            rows = _try_views(connection, content)
        fresh.chmod(0o600)  # it shows rows of the source
        fresh.replace(database)
    except (duckdb.Error, OSError) as error:
        raise ServingError(
            f"{database} could not be made: {error}; readers keep the file of the last publication. "
            "Check free space and permission of its folder, then clear this task"
        ) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return rows


@contextmanager
def empty_database() -> Iterator[duckdb.DuckDBPyConnection]:
    """A database in memory that is as the serving file before its views are made, with the tables of ``midnight``."""
    with duckdb.connect() as connection, tempfile.TemporaryDirectory() as nowhere:
        prepare(connection)
        connection.execute(f"CREATE SCHEMA {quote_identifier(NIGHT_SCHEMA)}")
        create_run_tables(connection, NIGHT_SCHEMA, LakePaths.below(f"{nowhere}/lake"), open_local_lake(), None)
        yield connection


def _create(connection: duckdb.DuckDBPyConnection, content: Content, paths: LakePaths, files: LakeFiles) -> None:
    prepare(connection)
    connection.execute(f"CREATE SCHEMA {quote_identifier(NIGHT_SCHEMA)}")
    for view in content.base_views:
        gold = read_gold_files(view, content.build.model_path(paths, view.name))
        name = f"{BASE_SCHEMA}.{view.name}"
        _execute(connection, name, duckdb_base_view(view, gold.files, gold.partitioned))
        _describe(connection, name, view)
    for reporting_view in content.reporting_views:
        if reporting_view.duckdb is not None:
            _execute(connection, f"{REPORTING_SCHEMA}.{reporting_view.name}", reporting_view.duckdb)
    create_run_tables(connection, NIGHT_SCHEMA, paths, files, content.build)


def _describe(connection: duckdb.DuckDBPyConnection, name: str, view: BaseView) -> None:
    """The contract's descriptions, where SQL tools show them."""
    quoted = ".".join(quote_identifier(part) for part in name.split("."))
    if view.description:
        connection.execute(f"COMMENT ON VIEW {quoted} IS {text_literal(view.description)}")
    for column in view.columns:
        if column.description:
            target = f"{quoted}.{quote_identifier(column.name)}"
            connection.execute(f"COMMENT ON COLUMN {target} IS {text_literal(column.description)}")


def _try_views(connection: duckdb.DuckDBPyConnection, content: Content) -> dict[str, int | None]:
    """A base view must show exactly the rows that its build recorded; a reporting view must give all of its values."""
    shown: dict[str, int | None] = {}
    for view in content.base_views:
        name = f"{BASE_SCHEMA}.{view.name}"
        quoted = f"{quote_relation(BASE_SCHEMA, view.name)}"
        _execute(connection, name, f"SELECT * FROM {quoted} LIMIT 1")
        rows = _execute(connection, name, f"SELECT count(*) FROM {quoted}").fetchall()[0][0]
        recorded = content.build.models[view.name].rows
        if rows != recorded:
            raise ServingError(
                f"{name} shows {rows} rows, but build {content.build.build_id} recorded {recorded}; readers keep the "
                "views of the last publication. Build gold again with midnight_rebuild"
            )
        shown[name] = rows
    for reporting_view in content.reporting_views:
        if reporting_view.duckdb is None:
            continue
        name = f"{REPORTING_SCHEMA}.{reporting_view.name}"
        quoted = f"{quote_relation(REPORTING_SCHEMA, reporting_view.name)}"
        # The hash makes DuckDB compute every value, without keeping them: one wrong row must not wait for its reader.
        tried = _execute(
            connection, name, f"SELECT count(*), bit_xor(hash(shown)) FROM (SELECT * FROM {quoted}) AS shown"
        )
        shown[name] = tried.fetchall()[0][0]
    return shown


def _execute(connection: duckdb.DuckDBPyConnection, view: str, sql: str) -> duckdb.DuckDBPyConnection:
    try:
        return connection.execute(sql)
    except duckdb.IOException:
        raise
    except duckdb.Error as error:
        raise ServingError(
            f"the view {view} does not work: {error}; readers keep the views of the last publication. "
            f"Correct its SQL in include/sql, then clear this task"
        ) from error
