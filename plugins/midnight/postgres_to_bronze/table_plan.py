"""What to read: the configuration compared with the catalogue, as plain data that the extraction follows."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from midnight.bronze.increments import ReadPlan
from midnight.bronze.manifest import BronzeColumn
from midnight.column_types import copy_expression, normalise_type, stored_type
from midnight.configuration.pipeline import table_file_name
from midnight.configuration.tables import Column, Table
from midnight.errors import SourceError, SourceMismatchError, TypeNotSupportedError
from midnight.names import quote_identifier, safe_names
from midnight.postgres_to_bronze.catalogue import CatalogueColumn, CatalogueTable, Leaf

# A range is read by one connection into one file. Smaller ones cost more in queries and files than they gain.
SMALLEST_RANGE_PAGES = 4_096  # 32 MB
LARGEST_RANGE_PAGES = 131_072  # 1 GB
RANGES_PER_CONNECTION = 4  # so that no connection waits long for the last one
FIRST_VERSION_WITH_CTID_RANGES = 140_000  # before PostgreSQL 14 each range would scan the whole table


@dataclass(frozen=True)
class ColumnPlan:
    """How one column goes into the file.

    Args:
        bronze: as the manifest will name it.
        expression: of the COPY query.
        checked_scale: the values may have any number of digits, so that each has to be compared with the stored type.
        masked: no message quotes a value of it.
    """

    bronze: BronzeColumn
    expression: str
    checked_scale: bool
    masked: bool = False


@dataclass(frozen=True)
class TablePlan:
    """How one table is read.

    Args:
        ranges: conditions on ``ctid`` that no two rows share and that together cover the table; ``""`` for all of it.
        reading: the whole table, or the rows whose cursor has moved.
    """

    table: Table
    catalogue: CatalogueTable
    columns: tuple[ColumnPlan, ...]
    ranges: tuple[str, ...]
    reading: ReadPlan

    @property
    def relation(self) -> str:
        return f"{quote_identifier(self.catalogue.schema_name)}.{quote_identifier(self.catalogue.name)}"

    def query(self, condition: str) -> str:
        """The SELECT inside the COPY, for one of the ranges."""
        expressions = ", ".join(column.expression for column in self.columns)
        conditions = " AND ".join(part for part in (condition, self.reading.condition()) if part)
        where = f" WHERE {conditions}" if conditions else ""
        return f"SELECT {expressions} FROM {self.relation}{where}"


def plan_tables(
    tables: Sequence[Table],
    catalogue: Mapping[tuple[str, str], CatalogueTable],
    *,
    version_number: int,
    connections: int,
    user: str,
    reading: Callable[[Table, Sequence[BronzeColumn]], ReadPlan],
) -> list[TablePlan]:
    """Compare each table with the source.

    Args:
        tables: the configuration.
        catalogue: from ``read_catalogue``.
        version_number: of the server, for example 180006.
        connections: that read at the same time.
        user: role that reads, for messages.
        reading: what to read of a table with these columns (``midnight.bronze.increments``).

    Raises:
        SourceError: with every table or column that is missing, unreadable or of another type.
        SourceMismatchError: the same, when tables are there that another try would find unchanged. (A missing table
            may be one that is just being replaced.)
    """
    plans, problems = [], []
    is_mismatch = False
    for table in tables:
        found = catalogue.get((table.schema_name, table.table))
        faults = table_faults(table, found, user)
        columns: list[ColumnPlan] = []
        if found is not None and not faults:
            columns, faults = _plan_columns(table, found, user)
        problems += faults
        is_mismatch = is_mismatch or (found is not None and bool(faults))
        if found is not None and not faults:
            ctid = version_number >= FIRST_VERSION_WITH_CTID_RANGES
            ranges = ctid_ranges(found.leaves, connections) if ctid else ("",)
            rows = reading(table, [column.bronze for column in columns])
            plans.append(TablePlan(table, found, tuple(columns), ranges, rows))
    if problems:
        raise (SourceMismatchError if is_mismatch else SourceError)("; ".join(problems))
    return plans


def ctid_ranges(leaves: Sequence[Leaf], connections: int) -> tuple[str, ...]:
    """Conditions that split a table into parts of similar size by the place of its rows.

    The same condition applies to every partition (each has pages from 0 on), so that one query on the root is
    enough, and the role needs no right on the partitions. The last range has no upper end.

    Args:
        leaves: where the rows are.
        connections: that read at the same time.
    """
    total = sum(leaf.pages for leaf in leaves)
    wanted = -(-total // (connections * RANGES_PER_CONNECTION))
    size = min(max(wanted, SMALLEST_RANGE_PAGES), LARGEST_RANGE_PAGES)
    if connections == 1:
        size = LARGEST_RANGE_PAGES
    if total <= size or not all(leaf.heap for leaf in leaves):
        return ("",)
    cuts = _cuts([leaf.pages for leaf in leaves], size)
    bounds = [f"'({page},0)'::tid" for page in cuts]
    starts = ["", *(f"ctid >= {bound}" for bound in bounds)]
    ends = [*(f"ctid < {bound}" for bound in bounds), ""]
    return tuple(" AND ".join(part for part in pair if part) for pair in zip(starts, ends, strict=True))


def _cuts(pages: list[int], size: int) -> list[int]:
    """Page numbers at which about ``size`` pages over all leaves have gone by since the last one."""
    heights = sorted(pages)
    cuts: list[int] = []
    position, gathered, leaves = 0, 0, len(heights)
    for height in heights:  # between two heights the same number of leaves has pages
        while leaves and gathered + (height - position) * leaves >= size:
            position += max(1, (size - gathered) // leaves)
            gathered = 0
            cuts.append(position)
        gathered += max(0, height - position) * leaves
        position = max(position, height)
        leaves -= 1
    return [cut for cut in cuts if cut < heights[-1]]


def table_faults(table: Table, found: CatalogueTable | None, user: str) -> list[str]:
    """Why a role cannot read a configured table, whatever its columns are; empty when it can.

    Args:
        table: the configuration.
        found: what the catalogue says, which shows tables that the role may not read as well; None: there is none.
        user: the role.
    """
    name, file = table.qualified_name, table_file_name(table.schema_name, table.table)
    if found is None:
        return [
            f"the source has no table or view {name}; correct tables/{file}, or delete it where the table is gone for "
            "good"
        ]
    if not found.readable:
        return [
            f"{user} may not read {name}; run GRANT USAGE ON SCHEMA {quote_identifier(table.schema_name)} TO {user}; "
            f"GRANT SELECT ON {name} TO {user}"
        ]
    if found.row_security:
        return [f"a row policy of {name} would hide rows from {user}; run ALTER ROLE {user} BYPASSRLS"]
    return []


def _plan_columns(table: Table, found: CatalogueTable, user: str) -> tuple[list[ColumnPlan], list[str]]:
    name, file = table.qualified_name, table_file_name(table.schema_name, table.table)
    pairs: list[tuple[Column, CatalogueColumn]] = []
    problems: list[str] = []
    for column in table.columns:
        actual = found.column(column.source_name)
        if actual is None:
            close = difflib.get_close_matches(column.source_name, [c.name for c in found.columns], 1)
            hint = f" (the source has {close[0]!r})" if close else ""
            problems.append(f"{name} has no column {column.source_name!r}{hint}; correct or delete it in tables/{file}")
        else:
            problems += _type_faults(table, column, actual)
            pairs.append((column, actual))
    configured = {column.source_name for column in table.columns}
    new = [column for column in found.columns if column.name not in configured]
    if new and table.new_columns == "fail":
        names = [column.name for column in new]
        problems.append(f"{name} has new columns {names!r}; add them to tables/{file} or write new_columns: include")
    elif table.new_columns == "include":
        names = safe_names([column.name for column in new], taken=[column.name for column in table.columns])
        pairs += [
            (Column(name=safe, source=column.name, type=column.type), column)
            for safe, column in zip(names, new, strict=True)
        ]
    plans = []
    for column, actual in pairs:
        if not actual.readable:
            problems.append(
                f"{user} may not read column {actual.name!r} of {name}; run GRANT SELECT ON {name} TO {user}"
            )
        try:
            plans.append(_plan_column(column, actual, found))
        except TypeNotSupportedError as error:
            problems.append(f"{name}: column {actual.name!r}: {error} (in tables/{file})")
    return plans, problems


def _type_faults(table: Table, column: Column, actual: CatalogueColumn) -> list[str]:
    """A wider varchar changes nothing downstream; a type that bronze stores differently does."""
    written = normalise_type(column.type)
    if written in (normalise_type(actual.type), normalise_type(actual.declared_type)):
        return []
    try:
        if stored_type(written, column.store) == stored_type(actual.type, column.store):
            return []
    except TypeNotSupportedError:
        pass  # reported by _plan_column where it is the source's type
    file = table_file_name(table.schema_name, table.table)
    return [
        f"{table.qualified_name}: column {actual.name!r} is {actual.type} in the source, but {column.type!r} in "
        f"tables/{file}; correct its type there and, where silver exists, run midnight_rebuild"
    ]


def _plan_column(column: Column, actual: CatalogueColumn, found: CatalogueTable) -> ColumnPlan:
    stored_as = stored_type(actual.type, column.store)
    source_type = normalise_type(actual.type)
    key = found.primary_key
    return ColumnPlan(
        bronze=BronzeColumn(
            name=column.name,
            source=actual.name,
            postgres_type=actual.type,
            stored_as=stored_as,
            nullable=not actual.not_null,
            key_position=key.index(actual.name) + 1 if actual.name in key else None,
        ),
        expression=copy_expression(
            quote_identifier(actual.name), actual.type, store=column.store, category=actual.category
        ),
        checked_scale=stored_as.startswith("numeric") and source_type != stored_as,
        masked=column.mask is not None,
    )
