"""The link *written = read back* of the views of Synapse: what a reader gets, and what the job of gold has recorded.

Serverless SQL pools have no function that a digest could be computed with: "CHECKSUM" and "BINARY_CHECKSUM" are not
supported there, and CHECKSUM_AGG is not available in Azure Synapse (the pages of these functions in the Transact-SQL
reference). So ``digests`` reads all rows of the view through the driver, and their digest is computed here; ``counts``
compares the figures of one query with those that the engine has left in the log of the Delta table.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from midnight.errors import DataLimitError, ReconciliationError, first_line
from midnight.gold_to_serving.base_views import BASE_SCHEMA, BaseView, synapse_rowset
from midnight.gold_to_serving.logged_figures import LoggedFigures, read_logged_figures
from midnight.gold_to_serving.publish_synapse import Read
from midnight.gold_to_serving.recorded_gold import RecordedGold, unread, view_name
from midnight.gold_to_serving.synapse_statements import file_probe
from midnight.reconciliation.delta_rows import DeltaRows
from midnight.reconciliation.differences import Subject
from midnight.reconciliation.read_back import compare_with
from midnight.reconciliation.record import MOST_DIFFERENCES, Difference, Link, LinkRecord
from midnight.reconciliation.spark_columns import digest_plan
from midnight.sql_text import quote_bracketed

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from midnight.reconciliation.row_digest import DigestPlan

LINK: Link = "written = read back"
_READ_BY = "read by Synapse"


def compare_before_publication(
    read: Read, views: Sequence[BaseView], recorded: RecordedGold, same: Collection[str]
) -> tuple[list[LinkRecord], str]:
    """Compare what each new view will show, by the query that the view will consist of.

    Args:
        read: runs a query.
        views: all base views.
        recorded: what they should show.
        same: names of the views whose definition the publication does not change.

    Returns:
        One record per view; none with ``reconcile: off``. And Synapse's message about the limit of processed data, if
        views were not compared because of it.

    Raises:
        ServingError: a query failed.
    """
    records: list[LinkRecord] = []
    skipped = ""
    for view in views:
        if skipped:
            records += _not_read(view, recorded, skipped)
            continue
        try:
            if recorded.method != "off" and not (view.name in same and recorded.is_proven(view)):
                records.append(_compare(read, view, recorded))
                continue
            for _ in read(file_probe(view, recorded.model(view).path)):
                pass
            if recorded.method != "off":
                records.append(unread(view, recorded))
        except DataLimitError as error:
            skipped = str(error)
            records += _not_read(view, recorded, skipped)
    return records, skipped


def count_published(read: Read, view: BaseView, recorded: RecordedGold) -> None:
    """Count the rows of a published view.

    Raises:
        DataLimitError: the limit of processed data is reached.
        ReconciliationError: it does not have the rows of its build.
        ServingError: it cannot be read.
    """
    schema, name = quote_bracketed(BASE_SCHEMA), quote_bracketed(view.name)
    rows = _first_row(read, f"SELECT COUNT_BIG(*) AS [f0] FROM {schema}.{name}")[0]
    wanted = recorded.model(view).rows
    if rows != wanted:
        raise ReconciliationError(
            f"{view_name(view)} has {rows:,} rows, but build {recorded.build.build_id!r} recorded {wanted:,}; "
            "hint: build gold again with the DAG midnight_rebuild, and check who else writes to the lake"
        )


def _not_read(view: BaseView, recorded: RecordedGold, reason: str) -> list[LinkRecord]:
    if recorded.method == "off":
        return []
    method = recorded.method_of(view)
    return [LinkRecord(link=LINK, table=view_name(view), status="not checked", method=method, reason=reason)]


def _compare(read: Read, view: BaseView, recorded: RecordedGold) -> LinkRecord:
    state, folder = recorded.state(view), recorded.folder(view)
    if recorded.method_of(view) == "counts" or state is None:
        figures = read_logged_figures(folder, recorded.files.storage_options)
        return _compare_figures(read, view, recorded, figures)
    plan = digest_plan([(column.name, column.type) for column in view.columns], recorded.model(view).key)
    if state.plan != plan:
        reason = "the digest was recorded for other columns"
        return LinkRecord(link=LINK, table=view_name(view), status="not checked", method="digests", reason=reason)
    version = state.version if state.version >= 0 else None
    expected = DeltaRows(folder, recorded.files.storage_options, version)
    rows = SynapseRows(read, view, recorded.model(view).path)
    return compare_with(Subject(LINK, view_name(view), plan), state.sums, expected, rows, _READ_BY)[0]


def _compare_figures(read: Read, view: BaseView, recorded: RecordedGold, logged: LoggedFigures) -> LinkRecord:
    """Rows, nulls, and the extremes of integers and dates, as one query computes them and as the log has them."""
    started, name = time.monotonic(), view_name(view)
    wanted: list[tuple[str | None, str, str, Any]] = [(None, "rows", "COUNT_BIG(*)", recorded.model(view).rows)]
    for column in view.columns:
        quoted = quote_bracketed(column.name)
        if column.name in logged.filled:
            wanted.append((column.name, "values", f"COUNT_BIG({quoted})", logged.filled[column.name]))
        if column.name in logged.bounds:
            lowest, highest = logged.bounds[column.name]
            wanted.append((column.name, "smallest value", f"MIN({quoted})", lowest))
            wanted.append((column.name, "largest value", f"MAX({quoted})", highest))
    chosen = ", ".join(f"{sql} AS [f{number}]" for number, (_, _, sql, _) in enumerate(wanted))
    row = _first_row(read, f"SELECT {chosen}\n{synapse_rowset(view, recorded.model(view).path)}")
    found = [
        Difference(link=LINK, table=name, kind="counts", column=column, expected=str(value), found=str(got), note=what)
        for (column, what, _, value), got in zip(wanted, row, strict=True)
        if got != value
    ]
    return LinkRecord(
        link=LINK,
        table=name,
        status="different" if found else "equal",
        method="counts",
        rows=int(row[0]),
        columns=len({column for column, *_ in wanted if column}),
        compared=f"counts {_READ_BY}",
        seconds=round(time.monotonic() - started, 3),
        reason=recorded.only_counted(view),
        differences=tuple(found[:MOST_DIFFERENCES]),
        difference_count=len(found),
    )


def _first_row(read: Read, sql: str) -> list[Any]:
    """The only row of a query that aggregates."""
    found = [row for batch in read(sql) for row in zip(*(c.to_pylist() for c in batch.columns), strict=True)]
    return list(found[0])


@dataclass(frozen=True)
class SynapseRows:
    """The rows that a base view shows, or will show after the publication.

    Args:
        read: runs a query.
        view: the base view.
        path: folder of the Delta table, relative to the external data source.
    """

    read: Read
    view: BaseView
    path: str

    def digest(self, plan: DigestPlan) -> np.ndarray[Any, Any]:
        """See ``RowSource``."""
        from midnight.reconciliation.row_digest import add_all, sums_of

        return add_all((sums_of(batch, plan) for batch in self._batches(plan)), len(plan.columns))

    def rows(self, plan: DigestPlan, columns: Sequence[str], buckets: Sequence[int]) -> pa.Table:
        """See ``RowSource``."""
        import pyarrow as pa

        from midnight.reconciliation.row_digest import in_buckets

        found = [in_buckets(batch, plan, columns, buckets) for batch in self._batches(plan)]
        found = [batch for batch in found if batch.num_rows]
        return pa.Table.from_batches(found) if found else pa.table({name: [] for name in columns})

    def _batches(self, plan: DigestPlan) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        chosen = ", ".join(f"{quote_bracketed(name)} AS [c{number}]" for number, name in enumerate(plan.names))
        try:
            for batch in self.read(f"SELECT {chosen}\n{synapse_rowset(self.view, self.path)}"):
                yield pa.record_batch(batch.columns, names=plan.names)
        except pa.ArrowException as error:
            raise ReconciliationError(f"{view_name(self.view)} cannot be read back: {first_line(error)}") from error
