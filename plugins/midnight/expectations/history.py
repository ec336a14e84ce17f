"""The figures of each table in the last runs, as one matrix: a row per figure, a column per run."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

from midnight.bronze.batch_id import batch_time
from midnight.configuration.expectations import figure_name
from midnight.expectations.robust import median

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

RUNS_LEARNT_FROM = 90  # of a nightly run: three month-ends, and each weekday thirteen times
LEAST_NULL_PERCENT = 0.5  # a smaller change of the share of nulls is never unexpected
LEAST_WRITTEN = 200  # rows: fewer do not show the categories of a column
WRITTEN_PER_VALUE = 20
_FIGURE_OF = {"nulls": "null_percent", "distinct": "distinct_values"}  # of the fields of ColumnFigures
_COUNTS = ("inserted", "updated", "deleted")
_NEEDED = (
    *("run_id", "table", "batch_id", "attempt_at", "rows_in", "silver_after", "quarantined", "warnings"),
    *(*_COUNTS, "milliseconds", "bytes_in", "column_figures"),
)


class Series(NamedTuple):
    """One figure of one table; ``column`` of a figure about a column, otherwise empty."""

    table: str
    figure: str
    column: str = ""

    @property
    def name(self) -> str:
        """For people: ``null_percent of tailnum``."""
        return figure_name(self.figure, self.column)


@dataclass(frozen=True)
class Figures:
    """Figures of some series.

    Args:
        series: of the rows of ``before`` and of the other arrays.
        before: S x N, of earlier runs, oldest first; NaN where a run has no such figure.
        days: N, when each run was due: local days before the run in question, at most 0.
        dates: N, the local date of each run; ``date`` of the run in question.
        value: S, of the run in question; NaN where it has none.
        size: S, rows that the figure is a part of: of the batch for shares of it, seconds and bytes, otherwise of
            silver; ``usual_size`` the median of the runs before.
    """

    series: tuple[Series, ...]
    before: np.ndarray
    days: np.ndarray
    dates: tuple[datetime, ...]
    date: datetime
    value: np.ndarray
    size: np.ndarray
    usual_size: np.ndarray


def read_figures(rows: pa.Table, run_id: str, timezone: str, published_batch: str = "") -> Figures | None:
    """The figures of a run and of the runs before it; None if the run has applied no table.

    Runs after the published batch were not published. What they found is not a precedent, and what they wrote is part
    of what this run would publish: of rows inserted, updated or deleted the greatest of these runs counts.

    Args:
        rows: of the ledger.
        run_id: of the run in question.
        timezone: of the pipeline, by which a run belongs to a weekday.
        published_batch: the batch that readers see; empty: nothing was published yet.
    """
    import numpy as np
    import pyarrow.compute as pc

    have = [name for name in _NEEDED if name in rows.column_names]
    applied = rows.filter(pc.equal(rows["status"], "applied")).select(have)
    runs = _runs(applied)
    own = next((run for run in runs if run.run_id == run_id), None)
    if own is None:
        return None
    earlier = [run for run in runs if run.due <= own.due and run is not own]
    known = [run for run in earlier if not published_batch or run.batch_id <= published_batch][-RUNS_LEARNT_FROM:]
    pending = [run for run in earlier if published_batch and run.batch_id > published_batch]
    order = [*known, *pending, own]
    chosen = applied.filter(pc.is_in(applied["run_id"], value_set=_texts(run.run_id for run in order)))
    series, matrix, size = _matrix(chosen.sort_by("attempt_at"), {run.run_id: i for i, run in enumerate(order)})
    value = matrix[:, -1].copy()
    if pending:
        flows = np.array([each.figure in _COUNTS for each in series], dtype=bool)
        value[flows] = np.fmax.reduce(matrix[flows, len(known) :], axis=1)
    zone = ZoneInfo(timezone)
    date = own.due.astimezone(zone)
    dates = tuple(run.due.astimezone(zone) for run in known)
    days = np.array([(each.date() - date.date()).days for each in dates], dtype=float)
    wanted = ~np.isnan(value)
    usual = median(size[:, : len(known)])
    kept = tuple(each for each, is_wanted in zip(series, wanted, strict=True) if is_wanted)
    return Figures(
        kept, matrix[wanted, : len(known)], days, dates, date, value[wanted], size[wanted, -1], usual[wanted]
    )


class _Run(NamedTuple):
    due: datetime
    run_id: str
    batch_id: str


def _texts(values: Iterable[str]) -> pa.Array:
    import pyarrow as pa

    return pa.array(list(values), pa.string())


def _runs(applied: pa.Table) -> list[_Run]:
    """The runs of the ledger, oldest first. A run's newest batch is its own, unless no table had changed."""
    found = applied.group_by("run_id").aggregate([("batch_id", "max"), ("attempt_at", "min")])
    runs = []
    for row in found.to_pylist():
        begun: datetime = row["attempt_at_min"]
        begun = begun if begun.tzinfo else begun.replace(tzinfo=UTC)
        try:
            due = batch_time(row["batch_id_max"])
        except ValueError:
            due = begun
        is_own = timedelta() <= begun - due < timedelta(days=1)
        runs.append(_Run(due if is_own else begun, row["run_id"], row["batch_id_max"]))
    return sorted(runs)


def _matrix(rows: pa.Table, position: dict[str, int]) -> tuple[list[Series], np.ndarray, np.ndarray]:
    """The series, their figures and sizes, each S x N. Of several entries of a table in a run the last counts."""
    import numpy as np

    encoded = rows["table"].combine_chunks().dictionary_encode()
    tables, table = encoded.dictionary.to_pylist(), np.asarray(encoded.indices)
    runs = rows["run_id"].combine_chunks().dictionary_encode()
    column = np.array([position[name] for name in runs.dictionary.to_pylist()])[np.asarray(runs.indices)]
    shape = (len(tables), len(position))

    def of(name: str) -> np.ndarray:
        filled = np.full(shape, np.nan)
        if name in rows.column_names:
            filled[table, column] = rows[name].to_numpy()
        return filled

    rows_in, silver, inserted, updated = of("rows_in"), of("silver_after"), of("inserted"), of("updated")
    batch, none = np.where(rows_in > 0, rows_in, np.nan), np.nan
    figures = {
        "rows": (silver, silver),
        "inserted": (inserted, silver),
        "updated": (updated, silver),
        "deleted": (of("deleted"), silver),
        "quarantined_percent": (100 * of("quarantined") / batch, batch),
        "warnings_percent": (100 * of("warnings") / batch, batch),
        "seconds": (np.where(of("milliseconds") > 0, of("milliseconds") / 1000, none), batch),
        "bytes": (np.where(of("bytes_in") > 0, of("bytes_in"), none), batch),
    }
    series = [Series(name, figure) for figure in figures for name in tables]
    values = [values for values, _ in figures.values()]
    sizes = [size for _, size in figures.values()]
    of_columns = _of_columns(rows, table, column, silver, inserted + updated)
    for (index, figure, name), found in of_columns.items():
        series.append(Series(tables[index], figure, name))
        values.append(found[None, :])
        sizes.append(silver[index][None, :])
    return series, np.vstack(values), np.vstack(sizes)


def _of_columns(
    rows: pa.Table, table: np.ndarray, column: np.ndarray, silver: np.ndarray, written: np.ndarray
) -> dict[tuple[int, str, str], np.ndarray]:
    """(table, figure, column) -> N figures; only the last two of a table whose columns have hardly changed."""
    import numpy as np

    if "column_figures" not in rows.column_names:
        return {}
    texts = rows["column_figures"].combine_chunks().fill_null("")
    by_cell = np.full(silver.shape, -1)
    by_cell[table, column] = np.arange(len(table))
    line: dict[tuple[int, str, str], int] = {}
    cells: list[tuple[int, int, int]] = []
    for index in range(len(silver)):
        known = np.flatnonzero(by_cell[index] >= 0)
        parsed = [_parse(texts[int(by_cell[index, run])].as_py()) for run in known[-2:]]
        if len(known) > 2 and _differ(parsed[0], parsed[1], rows=silver[index, known[-2:]]):
            parsed = [_parse(text) for text in texts.take(by_cell[index, known]).to_pylist()]
        for run, counts in zip(known[-len(parsed) :].tolist(), parsed, strict=True):
            cells += [(line.setdefault((index, *key), len(line)), run, number) for key, number in counts.items()]
    if not cells:
        return {}
    counted = np.full((len(line), silver.shape[1]), np.nan)
    lines, runs, numbers = np.array(cells).T
    counted[lines, runs] = numbers
    owner = np.array([index for index, _, _ in line])
    is_share = np.array([figure == "null_percent" for _, figure, _ in line])[:, None]
    rows_of, written_of = silver[owner], written[owner]
    shares = 100 * counted / np.where(rows_of > 0, rows_of, np.nan)
    is_shown = written_of >= np.fmax(LEAST_WRITTEN, WRITTEN_PER_VALUE * counted)
    values = np.where(is_share, shares, np.where(is_shown, counted, np.nan))
    return dict(zip(line, values, strict=True))


def _parse(text: str) -> dict[tuple[str, str], int]:
    """(figure, column) -> count."""
    found = json.loads(text) if text else {}
    return {(_FIGURE_OF[kind], name): number for kind, counts in found.items() for name, number in counts.items()}


def _differ(before: dict[tuple[str, str], int], now: dict[tuple[str, str], int], rows: np.ndarray) -> bool:
    """Whether a column has other categories, or another share of nulls by more than is ever expected.

    A table of which this is not so needs no history: its figures are those of the run before.
    """
    for key, number in now.items():
        last = before.get(key)
        if key[0] != "null_percent":
            if number != last:
                return True
        elif last is None or abs(100 * number / max(rows[1], 1) - 100 * last / max(rows[0], 1)) > LEAST_NULL_PERCENT:
            return True
    return False
