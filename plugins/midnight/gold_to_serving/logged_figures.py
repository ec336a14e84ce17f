"""Figures of a gold table that the engine has left in its Delta log: read without reading the table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from midnight.errors import ReconciliationError, first_line


@dataclass(frozen=True)
class LoggedFigures:
    """What the log has about all files of a table.

    Args:
        filled: column -> number of values that are not null.
        bounds: column -> smallest and largest value, for integers and dates: the log shortens texts and moments, and
            some engines round decimals.
    """

    filled: Mapping[str, int] = field(default_factory=dict)
    bounds: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)


def read_logged_figures(path: str, storage_options: Mapping[str, str] | None = None) -> LoggedFigures:
    """The figures of the newest version of a Delta table; a column without statistics in one file is left out.

    Args:
        path: folder or URL.
        storage_options: of delta-rs.

    Raises:
        ReconciliationError: the log cannot be read.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError

    try:
        actions = pa.table(DeltaTable(path, storage_options=dict(storage_options or {})).get_add_actions(flatten=True))
    except (DeltaError, OSError) as error:
        raise ReconciliationError(f"{path} cannot be read: {first_line(error)}") from error
    known = {name: actions[name] for name in actions.column_names}
    files, rows = actions.num_rows, known.get("num_records")
    if rows is None or rows.null_count or not files:
        return LoggedFigures()
    filled, bounds = {}, {}
    for name, values in known.items():
        column = name.removeprefix("null_count.")
        if column == name or values.null_count:
            continue
        filled[column] = pc.sum(rows).as_py() - pc.sum(values).as_py()
        low, high = known.get(f"min.{column}"), known.get(f"max.{column}")
        if low is None or high is None or not (pa.types.is_integer(low.type) or pa.types.is_date(low.type)):
            continue
        empty = [count == nulls for count, nulls in zip(rows.to_pylist(), values.to_pylist(), strict=True)]
        if filled[column] and low.null_count == high.null_count == sum(empty):
            bounds[column] = pc.min(low).as_py(), pc.max(high).as_py()
    return LoggedFigures(filled, bounds)
