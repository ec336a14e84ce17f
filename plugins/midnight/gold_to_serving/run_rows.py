"""The rows that a run adds to the views of the schema ``midnight``: one small Parquet file per view."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from midnight.gold_to_serving.run_views import EMPTY, RUN_VIEWS, RunView
from midnight.lake.files import LakeFiles
from midnight.lake.many_files import write_many
from midnight.lake.paths import LakePaths
from midnight.summary.document import CheckSummary, QuarantineSummary, RunSummary, TableSummary

if TYPE_CHECKING:
    import pyarrow as pa

KEPT_RUNS = 100  # runs that the views show: Synapse opens each file of a view for each query


def prepare_run_rows(lake: LakeFiles, paths: LakePaths) -> None:
    """Give each view a file without rows, if it has none: an engine cannot read a folder that does not exist.

    Raises:
        LakeError: it cannot be written.
    """
    missing = [view for view in RUN_VIEWS if lake.size(paths.run_rows(view.name, EMPTY)) is None]
    write_many(lambda view: _write(lake, paths.run_rows(view.name, EMPTY), view, []), missing)


def write_run_rows(lake: LakeFiles, paths: LakePaths, summary: RunSummary, views: Collection[str] = ()) -> None:
    """Write the rows of a run; a later try of the same run replaces them.

    Args:
        lake: to write to.
        paths: of the lake.
        summary: of the run.
        views: only these; empty means all.

    Raises:
        LakeError: a file cannot be written.
    """
    rows = rows_of(summary)
    chosen = [view for view in RUN_VIEWS if not views or view.name in views]
    batch_id = summary.figures.batch_id
    write_many(lambda view: _write(lake, paths.run_rows(view.name, batch_id), view, rows[view.name]), chosen)


def remove_old_run_rows(lake: LakeFiles, paths: LakePaths) -> tuple[str, ...]:
    """Delete the rows of all but the newest KEPT_RUNS runs; returns the deleted files."""
    expired = [
        f"{paths.run_rows_folder(view.name)}/{name}"
        for view in RUN_VIEWS
        for name in [n for n in lake.list_names(paths.run_rows_folder(view.name)) if n != f"{EMPTY}.parquet"][
            :-KEPT_RUNS
        ]
    ]
    for path in expired:
        lake.delete_file(path)
    return tuple(expired)


def rows_of(summary: RunSummary) -> dict[str, list[dict[str, Any]]]:
    """View -> its rows for a run."""
    figures = summary.figures
    run = {"run_id": figures.run_id, "due": figures.due}
    own = [table for table in summary.tables if table.entry.run_id == figures.run_id]
    return {
        "runs": [
            figures.model_dump()
            | {
                "build_id": summary.build_id,
                "data_up_to": summary.data_up_to,
                "quarantined_new": sum(table.quarantined_new for table in summary.tables),
                "written_at": summary.written_at,
            }
        ],
        "ledger": [run | table.entry.model_dump() for table in own],
        "checks": [run | _check(check) for check in summary.checks],
        "quarantine_counts": [run | _quarantine(rule) for rule in summary.quarantine],
        "batches": [run | _batch(table) for table in summary.tables if table.batch is not None],
    }


def _check(check: CheckSummary) -> dict[str, Any]:
    return check.model_dump() | {"check": check.name}


def _quarantine(rule: QuarantineSummary) -> dict[str, Any]:
    return rule.model_dump(exclude={"examples"})


def _batch(table: TableSummary) -> dict[str, Any]:
    if table.batch is None:
        return {}
    return table.batch.model_dump() | {"table": table.entry.table, "current_at": table.batch.current_at}


def _schema(view: RunView) -> pa.Schema:
    import pyarrow as pa

    kinds = {"STRING": pa.string(), "TIMESTAMP": pa.timestamp("us", "UTC"), "BIGINT": pa.int64()}
    kinds |= {"DOUBLE": pa.float64()}
    return pa.schema([(column.name, kinds[column.type]) for column in view.columns])


def _write(lake: LakeFiles, path: str, view: RunView, rows: Sequence[Mapping[str, Any]]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = [column.name for column in view.columns]
    content = [{name: row.get(name) for name in names} for row in rows]
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(content, _schema(view)), sink, compression="snappy")
    lake.write_bytes(path, sink.getvalue().to_pybytes())
