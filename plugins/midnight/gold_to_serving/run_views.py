"""The schema ``midnight``: what each run did, for queries and Power BI, with the same views on Synapse and locally.

Each run adds a small Parquet file per view (``run_rows``). Synapse serverless cannot read the ledger and the quarantine
themselves: they are Delta tables of silver.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from midnight.column_types import tsql_type
from midnight.gold_to_serving.base_views import DATA_SOURCE, BaseView, ViewColumn, duckdb_column, without_glob
from midnight.lake.paths import LakePaths
from midnight.sql_text import quote_bracketed, quote_identifier, quote_relation, text_literal

RUN_SCHEMA = "midnight"
# So that Synapse and DuckDB always find a file; it has no rows.
EMPTY = "0"
_NAME, _ID = 128, 250  # characters; Airflow's run ids have at most 250


@dataclass(frozen=True)
class RunView:
    """A view ``midnight.<name>``; the columns in order."""

    name: str
    description: str
    columns: tuple[ViewColumn, ...]


def _text(name: str, description: str, length: int | None = _NAME) -> ViewColumn:
    return ViewColumn(name, "STRING", length, description)


def _time(name: str, description: str) -> ViewColumn:
    return ViewColumn(name, "TIMESTAMP", None, f"{description} (UTC)")


def _rows(name: str, description: str) -> ViewColumn:
    return ViewColumn(name, "BIGINT", None, description)


_RUN_ID = _text("run_id", "Airflow's id of the run", _ID)
_DUE = _time("due", "When the run was due, or triggered")
_TABLE = _text("table", "The silver table")
RUN_VIEWS = (
    RunView(
        "runs",
        "One row per run",
        (
            _RUN_ID,
            _text("batch_id", "Id of the run's batch; sorts by time"),
            _DUE,
            _text("state", "published, partial (some tables were not loaded), failed, or nothing to do"),
            _time("published_at", "When readers got the data of the run; null if they did not"),
            _time("data_up_to", "Up to when the published data have all changes of the source"),
            _text("build_id", "The build of gold that readers saw after the run", _ID),
            ViewColumn("seconds", "DOUBLE", None, "Duration of the run"),
            _rows("rows_in", "Rows of the batches"),
            _rows("changed", "Rows of silver that are new, changed or deleted"),
            _rows("quarantined", "Rows in quarantine after the run"),
            _rows("quarantined_new", "Rows in quarantine that were not there after the run before"),
            _rows("warnings", "Rows with a warning after the run"),
            _time("written_at", "When this row was written"),
        ),
    ),
    RunView(
        "ledger",
        "What each run did to each silver table, in rows",
        (
            _RUN_ID,
            _DUE,
            _TABLE,
            _text("source_table", "The table in the source", _ID),
            _text("batch_id", "The batch that was applied"),
            _text("status", "applied, skipped, failed, or stopped: the run did not load the table"),
            _time("attempt_at", "When the batch was applied"),
            _rows("rows_in", "Rows of the batch"),
            _rows("inserted", "New rows"),
            _rows("updated", "Changed rows"),
            _rows("unchanged", "Rows that silver had already"),
            _rows("deleted", "Rows of silver that the source has deleted"),
            _rows("duplicates", "Rows that another row with the same key supersedes"),
            _rows("dropped", "Rows left out because of nulls: drop_row"),
            _rows("quarantined", "Rows in quarantine"),
            _rows("obsolete", "Rows of earlier batches that the source has deleted since"),
            _rows("marked", "Rows of silver that were marked as deleted, or are present again"),
            _rows("warnings", "Rows with a warning; they are in silver"),
            _rows("unrepresentable", "Values that bronze cannot hold"),
            _rows("silver_after", "Rows of silver after the run"),
            _text("message", "For people", None),
            _text("schema_changes", "What changed in the source's table", None),
        ),
    ),
    RunView(
        "checks",
        "The result of each check in each run, passed or failed",
        (
            _RUN_ID,
            _DUE,
            _text("layer", "silver or gold"),
            _text("table", "The silver table or gold model"),
            _text("check", "Name of the check", _ID),
            _text("requirement", "The rule in words", None),
            _text("on_failure", "warn, quarantine or fail"),
            _rows("rows", "Checked rows"),
            _rows("failed_rows", "Rows that fail"),
            _text("owner", "Who corrects the rows", _ID),
            _text("description", "Why the rule exists", None),
        ),
    ),
    RunView(
        "quarantine_counts",
        "Rows that a rule keeps out of silver, per run",
        (
            _RUN_ID,
            _DUE,
            _TABLE,
            _text("rule", "Name of the rule", _ID),
            _text("requirement", "The rule in words", None),
            _rows("rows", "Rows in quarantine after the run"),
            _rows("new_rows", "Rows that were not there after the run before"),
            _time("since", "When a row of the rule was seen first"),
            _text("owner", "Who corrects the rows", _ID),
        ),
    ),
    RunView(
        "batches",
        "The bronze batch that each silver table had after each run",
        (
            _RUN_ID,
            _DUE,
            _TABLE,
            _text("batch_id", "Id of the batch"),
            _time("read_at", "When the snapshot was taken"),
            _time("sealed_at", "When the batch was complete"),
            _time("current_at", "The last time at which the source is known to have had these rows"),
            _text("mode", "snapshot or incremental"),
            _rows("rows", "Rows of the batch"),
            _rows("files", "Files of the batch"),
            _rows("bytes", "Size of the files"),
            _text("written_by", "operator or data_factory"),
            _text("server", "Database and PostgreSQL version", _ID),
        ),
    ),
)


def run_view_name(view: RunView) -> str:
    """The view for people and in records."""
    return f"{RUN_SCHEMA}.{view.name}"


def as_base_view(view: RunView) -> BaseView:
    """The view as what knows the types of its columns."""
    return BaseView(view.name, view.columns, view.description)


def synapse_run_view(view: RunView) -> str:
    """The T-SQL statement that creates a view; idempotent."""
    names = ",\n    ".join(quote_bracketed(column.name) for column in view.columns)
    types = ",\n    ".join(f"{quote_bracketed(c.name)} {tsql_type(c.type, c.max_length)}" for c in view.columns)
    return (
        f"CREATE OR ALTER VIEW {quote_bracketed(RUN_SCHEMA)}.{quote_bracketed(view.name)} AS\n"
        f"SELECT\n    {names}\nFROM OPENROWSET(\n"
        f"    BULK {text_literal(f'{LakePaths.RUN_ROWS}/{view.name}/*.parquet')},\n"
        f"    DATA_SOURCE = {text_literal(DATA_SOURCE)},\n    FORMAT = 'PARQUET'\n) WITH (\n    {types}\n) AS r"
    )


def duckdb_run_view(view: RunView, folder: str | None) -> Iterable[str]:
    """The DuckDB statements that create the same view, with its descriptions.

    Args:
        view: the view.
        folder: with the files; None gives a view without rows.
    """
    name = quote_relation(RUN_SCHEMA, view.name)
    columns = ",\n    ".join(duckdb_column(column, has_files=folder is not None) for column in view.columns)
    source = "WHERE false"
    if folder is not None:
        source = f"FROM read_parquet({text_literal(f'{without_glob(folder)}/*.parquet')}, union_by_name = true)"
    yield f"CREATE VIEW {name} AS\nSELECT\n    {columns}\n{source}"
    yield f"COMMENT ON VIEW {name} IS {text_literal(view.description)}"
    for column in view.columns:
        yield f"COMMENT ON COLUMN {name}.{quote_identifier(column.name)} IS {text_literal(column.description)}"


def synapse_run_view_probe(view: RunView) -> str:
    """A query over all values of a view: one file with a column of another type would fail only where it is read."""
    counts = ", ".join(f"COUNT_BIG({quote_bracketed(c.name)}) AS {quote_bracketed(c.name)}" for c in view.columns)
    return f"SELECT {counts} FROM {quote_bracketed(RUN_SCHEMA)}.{quote_bracketed(view.name)}"


def duckdb_run_view_probe(view: RunView) -> str:
    """The same for DuckDB, which skips values that are only counted."""
    return f"SELECT bit_xor(hash(v)) FROM (SELECT * FROM {quote_relation(RUN_SCHEMA, view.name)}) AS v"
