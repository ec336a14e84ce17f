"""Which column of an earlier batch holds the values of a column of the newest one.

A table whose columns changed between its batches is evaluated with the columns of the newest batch: columns are found
by attnum, narrower numbers become wider, and a column that a batch does not have shows its default, or null.
"""

from __future__ import annotations

from midnight.bronze.manifest import BronzeColumn, Manifest
from midnight.bronze.type_width import holds


def column_in(batch: Manifest, column: BronzeColumn, newest: Manifest) -> BronzeColumn | None:
    """The column of a batch with the values of a column of the newest batch; None if the batch was read before it.

    Args:
        batch: an earlier batch of the table.
        column: of ``newest``.
        newest: the batch whose columns count.
    """
    if _have_same_identity(batch, newest) and column.attnum:
        return next((found for found in batch.columns if found.attnum == column.attnum), None)
    by_source = next((found for found in batch.columns if found.source == column.source), None)
    return by_source or next((found for found in batch.columns if found.name == column.name), None)


def can_be_aligned(batch: Manifest, newest: Manifest) -> bool:
    """Whether the rows of an earlier batch can be read with the columns of the newest one."""
    pairs = [(column, column_in(batch, column, newest)) for column in newest.columns]
    return all(
        (found is None and not column.computed) or (found is not None and holds(column.stored_as, found.stored_as))
        for column, found in pairs
    )


def have_same_columns(one: Manifest, other: Manifest) -> bool:
    """Whether two batches have the same columns, so that rows of one need no alignment with the other."""
    return len(one.columns) == len(other.columns) and all(
        (found := column_in(one, column, other)) is not None
        and (found.name, found.stored_as) == (column.name, column.stored_as)
        for column in other.columns
    )


def _have_same_identity(one: Manifest, other: Manifest) -> bool:
    if one.relation is None or other.relation is None:
        return False
    place, other_place = (
        (m.read_from.server, m.read_from.database, m.relation.oid if m.relation else 0) for m in (one, other)
    )
    return place == other_place
