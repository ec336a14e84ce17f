"""The link *written = read back* of the published views: what a base view shows, and what gold should contain."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from midnight.errors import ReconciliationError
from midnight.gold_to_serving.base_views import BaseView
from midnight.gold_to_serving.recorded_gold import RecordedGold, counted, quoted_view, unread, view_name
from midnight.lake.files import LakeFiles
from midnight.lake.paths import LakePaths
from midnight.reconciliation.digest_states import TableDigest
from midnight.reconciliation.read_back import compare_with, stop_on_difference
from midnight.reconciliation.record import LinkRecord, summarise
from midnight.reconciliation.row_sources import FileRows, read_state
from midnight.reconciliation.run_records import append_step_record, make_step_record
from midnight.reconciliation.spark_columns import digest_plan
from midnight.silver_to_gold.builds import GoldBuild
from midnight.sql_text import quote_identifier

if TYPE_CHECKING:
    import duckdb
    import numpy as np
    import pyarrow as pa

    from midnight.reconciliation.row_digest import DigestPlan

_ROWS_AT_ONCE = 65_536
REBUILD_HINT = "hint: build gold again with the DAG midnight_rebuild, and check who else writes to the lake"
_log = logging.getLogger(__name__)


def compare_views(
    connection: duckdb.DuckDBPyConnection,
    views: Sequence[BaseView],
    recorded: RecordedGold,
) -> list[LinkRecord]:
    """Compare what the base views of a new serving file show with the digests that the job of gold has recorded.

    A view of the last publication is not read again if the files of its model are the same.

    Args:
        connection: to the file with the views.
        views: all base views.
        recorded: what they should show.

    Returns:
        One record per view; it has a reason if only the rows were counted (``RecordedGold.only_counted``). None if no
        table of the run has ``reconcile: digests``: the rows are counted anyway.

    Raises:
        ReconciliationError: a view shows other rows; readers keep the views of the last publication.
    """
    if recorded.method != "digests" and recorded.planned:
        return []
    pairs = [(view, recorded.state(view)) for view in views]
    records = [
        counted(view, recorded) if state is None else _compare(connection, view, recorded, state)
        for view, state in pairs
    ]
    stop_on_difference(records, f"readers keep the views of the last publication; {REBUILD_HINT}")
    return records


def _compare(
    connection: duckdb.DuckDBPyConnection, view: BaseView, recorded: RecordedGold, state: TableDigest
) -> LinkRecord:
    from midnight.reconciliation.differences import Subject

    model, folder = recorded.model(view), recorded.folder(view)
    plan = digest_plan([(column.name, column.type) for column in view.columns], model.key)
    name = view_name(view)
    if state.plan != plan:
        return LinkRecord(
            link="written = read back",
            table=name,
            status="not checked",
            method="digests",
            reason="the digest was recorded for other columns",
        )
    gold = read_state(folder)
    if model.built_in != recorded.build.build_id and gold.stamp == state.stamp and recorded.is_proven(view):
        return unread(view, recorded)
    subject = Subject("written = read back", name, plan)
    record, _ = compare_with(subject, state.sums, FileRows(gold.files), ViewRows(connection, view), "read by DuckDB")
    return record


class ViewRows:
    """The rows that a base view of the serving file shows."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, view: BaseView) -> None:
        self._connection, self._name = connection, quoted_view(view)

    def digest(self, plan: DigestPlan) -> np.ndarray[Any, Any]:
        """See ``RowSource``."""
        from midnight.reconciliation.row_digest import add_all, sums_of

        return add_all((sums_of(batch, plan) for batch in self._batches(plan)), len(plan.columns))

    def rows(self, plan: DigestPlan, columns: Sequence[str], buckets: Sequence[int]) -> pa.Table:
        """See ``RowSource``."""
        import pyarrow as pa

        from midnight.reconciliation.row_digest import in_buckets

        found = [in_buckets(batch, plan, columns, buckets) for batch in self._batches(plan)]
        return pa.Table.from_batches([batch for batch in found if batch.num_rows] or found[:1])

    def _batches(self, plan: DigestPlan) -> Iterator[pa.RecordBatch]:
        import duckdb

        names = ", ".join(quote_identifier(name) for name in plan.names)
        try:
            yield from self._connection.execute(f"SELECT {names} FROM {self._name}").to_arrow_reader(_ROWS_AT_ONCE)
        except duckdb.Error as error:
            raise ReconciliationError(f"{self._name} cannot be read back: {error}") from error


def record_views(
    paths: LakePaths, files: LakeFiles, build: GoldBuild, run_id: str, records: Sequence[LinkRecord]
) -> None:
    """Append the outcomes to ``LakePaths.reconciliation``, and log one line; a failure to write is logged, too.

    The line is part of the run's summary. Views whose values were not compared are a warning.

    Args:
        paths: of the lake.
        files: of the lake.
        build: that was published.
        run_id: Airflow's id of the run that publishes.
        records: from ``compare_views``.
    """
    if not records:
        return
    weak = Counter(record.reason for record in records if record.status == "equal" and record.reason)
    notes = "".join(f"; {number} of them only by counts: {reason}" for reason, number in weak.items())
    summary = f"views: {summarise(records, 'written = read back').replace('tables', 'views')}{notes}"
    _log.log(logging.WARNING if weak else logging.INFO, "%s", summary)
    record = make_step_record(build.batch_id, run_id, "gold_to_serving", records, summary)
    try:
        append_step_record(paths.reconciliation, record, files.storage_options)
    except ReconciliationError as error:
        _log.warning("the reconciliation of the views was not recorded: %s", error)
