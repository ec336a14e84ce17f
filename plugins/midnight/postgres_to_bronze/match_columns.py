"""The columns of a table file, found in the catalogue: by name, or by attnum after a rename."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from midnight.bronze.manifest import BronzeColumn, BronzeRelation, Manifest
from midnight.bronze.schema_changes import SourceTableSchema, carry_missing
from midnight.bronze.stopped_tables import TableProblem
from midnight.bronze.type_width import grows_in_range_only, holds
from midnight.column_types import is_kept_as_json, normalise_type, stored_type
from midnight.configuration.checks import Expression
from midnight.configuration.columns import Column
from midnight.configuration.files import table_file_name
from midnight.configuration.tables import Table
from midnight.errors import TypeNotSupportedError
from midnight.names import safe_names
from midnight.postgres_to_bronze.catalogue import CatalogueColumn, CatalogueTable
from midnight.postgres_to_bronze.copy_columns import ColumnPlan, Wire, copy_form
from midnight.postgres_to_bronze.exact_json import exact_json
from midnight.postgres_to_bronze.missing_values import missing_value
from midnight.sql_text import quote_identifier, quote_if_needed

_WORD = re.compile(r"\w+")


@dataclass
class MatchedColumns:
    """The columns that are read.

    Args:
        table: the configuration, with the names that columns have in the source now.
        plans: in the file's order, then new ones.
        problems: why the table is not safe to read.
        warnings: where the file should follow the source.
        dropped: names of configured columns that the source no longer has.
    """

    table: Table
    plans: list[ColumnPlan] = field(default_factory=list)
    problems: list[TableProblem] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)

    def schema(self, found: CatalogueTable, place: tuple[str, str]) -> SourceTableSchema:
        """The table for the comparison with its last batch."""
        columns = tuple(plan.bronze for plan in self.plans)
        read = {column.attnum for column in columns}
        unread = frozenset(column.position for column in found.columns if column.position not in read)
        return SourceTableSchema(columns, relation_of(found), place, unread)

    def carry_missing(self, last: Manifest, schema: SourceTableSchema) -> None:
        """Keep the defaults of old rows that PostgreSQL has forgotten since the last batch."""
        kept = carry_missing(last, schema)
        self.plans = [replace(plan, bronze=column) for plan, column in zip(self.plans, kept, strict=True)]


def relation_of(found: CatalogueTable) -> BronzeRelation:
    """The identity of a table, for its manifest."""
    kind = "parent table" if found.has_heirs else found.kind
    return BronzeRelation(oid=found.oid, kind=kind, filenode=found.filenode, last_attnum=found.last_attnum)


def match_columns(
    table: Table,
    found: CatalogueTable,
    user: str,
    last: Manifest | None,
    place: tuple[str, str],
    *,
    uses: Callable[[Sequence[str]], Sequence[str]] = lambda columns: (),
) -> MatchedColumns:
    """Compare the columns of a table file with those of the source.

    Args:
        table: the configuration.
        found: the table in the catalogue.
        user: role that reads, for messages.
        last: the newest batch before; None if there is none, or if it does not matter.
        place: server and database that are read.
        uses: what uses some columns of silver downstream, for people.
    """
    result = MatchedColumns(table)
    same = last is not None and SourceTableSchema((), relation_of(found), place).is_same_relation(last)
    earlier = {column.name: column for column in last.columns} if last is not None else {}
    pairs: list[tuple[Column, CatalogueColumn]] = []
    for column in table.columns:
        actual = found.column(column.source_name)
        if actual is None and table.on_schema_change == "evolve" and same and column.name in earlier:
            actual = _renamed(table, column, found, earlier[column.name], result)
        if actual is not None:
            _compare_types(table, column, actual, result)
            pairs.append((column, actual))
        elif last is not None and (column.name in earlier or column.name in last.dropped):
            _drop(table, column, result, [] if column.drop else list(uses([column.name])))
        else:
            result.problems.append(_missing(table, column, found))
    sources = {column.name: actual.name for column, actual in pairs}
    named = [column.model_copy(update={"source": sources.get(column.name, column.source)}) for column in table.columns]
    result.table = table.model_copy(update={"columns": tuple(named)})
    pairs += _new_columns(table, found, [actual for _, actual in pairs], result)
    for column, actual in pairs:
        if not actual.readable:
            message = (
                f"{user} may not read column {actual.name!r} of {table.qualified_name}; hint: run GRANT SELECT ON "
                f"{table.qualified_name} TO {quote_if_needed(user)}"
            )
            result.problems.append(TableProblem(message, (column.name,)))
        try:
            result.plans.append(_plan_column(column, actual, found))
        except TypeNotSupportedError as error:
            message = f"{table.qualified_name}: column {actual.name!r}: {error} (in {_file(table)})"
            result.problems.append(TableProblem(message, (column.name,)))
    return result


def required_columns(table: Table) -> dict[str, str]:
    """Columns without which rows cannot be evaluated -> what needs them."""
    uses = dict.fromkeys(table.key, "the key")
    uses |= {name: "order_by" for name, _ in table.ordering if name not in uses}
    if table.cursor_name is not None:
        uses.setdefault(table.cursor_name, "the cursor")
    for column in table.columns:
        if column.nulls != "keep":
            uses.setdefault(column.name, "its null policy")
    for check in table.checks:
        words = set(_WORD.findall(check.sql.casefold())) if isinstance(check, Expression) else set()
        for name in (*check.used_columns, *(c.name for c in table.columns if c.name.casefold() in words)):
            uses.setdefault(name, f"the check {check.label!r}")
    return uses


def _file(table: Table) -> str:
    return f"tables/{table_file_name(table.schema_name, table.table)}"


def _missing(table: Table, column: Column, found: CatalogueTable) -> TableProblem:
    close = difflib.get_close_matches(column.source_name, [c.name for c in found.columns], 1)
    similar = f" (it has {close[0]!r})" if close else ""
    return TableProblem(
        f"{table.qualified_name} has no column {column.source_name!r}{similar}; hint: correct or delete it in "
        f"{_file(table)}",
        (column.name,),
    )


def _renamed(
    table: Table, column: Column, found: CatalogueTable, earlier: BronzeColumn, result: MatchedColumns
) -> CatalogueColumn | None:
    """The column under its new name, unless the file has that name for another one."""
    configured = {other.source_name for other in table.columns}
    actual = next((c for c in found.columns if c.position == earlier.attnum and c.name not in configured), None)
    if actual is not None:
        result.warnings.append(
            f"column {column.source_name!r} of {table.qualified_name} is {actual.name!r} in the source now, and read "
            f"as {column.name!r}; hint: write name: {column.name} and source: {actual.name} in {_file(table)}"
        )
    return actual


def _drop(table: Table, column: Column, result: MatchedColumns, downstream: Sequence[str]) -> None:
    """A column that the source had: its silver column becomes null, if nothing needs its values."""
    need = required_columns(table).get(column.name)
    found = f"{table.qualified_name} no longer has column {column.source_name!r}"
    if table.on_schema_change == "freeze":
        message = f"{found} (on_schema_change: freeze); hint: delete it in {_file(table)}"
        result.problems.append(TableProblem(message, (column.name,)))
    elif need is not None:
        message = f"{found}, which {need} needs; hint: delete it and {need} in {_file(table)}, or set its new source"
        result.problems.append(TableProblem(message, (column.name,)))
    elif downstream:
        message = f"{found}; hint: delete it there and in {_file(table)}, or set its new source"
        result.problems.append(TableProblem(message, (column.name,)))
    else:
        result.dropped.append(column.name)
        result.warnings.append(f"{found}; it is null in silver; hint: delete it in {_file(table)}")


def _new_columns(
    table: Table, found: CatalogueTable, known: list[CatalogueColumn], result: MatchedColumns
) -> Iterator[tuple[Column, CatalogueColumn]]:
    new = [column for column in found.columns if column not in known]
    if new and table.on_schema_change == "freeze":
        message = (
            f"{table.qualified_name} has new columns {[column.name for column in new]!r} (on_schema_change: freeze); "
            f"hint: add them to {_file(table)}, with drop: true if silver does not need them"
        )
        result.problems.append(TableProblem(message))
    elif table.new_columns == "include":
        names = safe_names([column.name for column in new], taken=[column.name for column in table.columns])
        for safe, column in zip(names, new, strict=True):
            yield Column(name=safe, source=column.name, type=column.type), column


def _compare_types(table: Table, column: Column, actual: CatalogueColumn, result: MatchedColumns) -> None:
    """A type that bronze stores differently from the configured one. (A wider varchar changes nothing downstream.)"""
    written = normalise_type(column.type)
    if written in (normalise_type(actual.type), normalise_type(actual.declared_type)):
        return
    before = now = ""
    try:
        before, now = stored_type(written, column.bronze_type), stored_type(actual.type, column.bronze_type)
        if before == now:
            return
    except TypeNotSupportedError:
        pass  # reported by _plan_column where it is the source's type
    found = (
        f"{table.qualified_name}: column {actual.name!r} is {actual.type} in the source, but {column.type!r} in "
        f"{_file(table)}"
    )
    if now and table.on_schema_change == "evolve" and holds(before, now):
        result.warnings.append(f"{found}, which holds its values; hint: correct its type there")
    elif now and table.on_schema_change == "evolve" and grows_in_range_only(now, before):
        result.warnings.append(
            f"{found}; a row whose value does not fit goes to quarantine; hint: correct its type there"
        )
    else:
        message = f"{found}; hint: correct its type there and, if silver exists, run midnight_rebuild"
        result.problems.append(TableProblem(message, (column.name,)))


def _plan_column(column: Column, actual: CatalogueColumn, found: CatalogueTable) -> ColumnPlan:
    stored_as = stored_type(actual.type, column.bronze_type)
    key = found.primary_key
    identifier = quote_identifier(actual.name)
    wire: Wire = "json"
    if is_kept_as_json(actual.type, column.bronze_type, actual.category):
        expression = exact_json(identifier, actual.type)
    else:
        expression, wire = copy_form(identifier, actual.type, stored_as, column.bronze_type, actual.category)
    missing, computed = missing_value(column, actual, stored_as)
    return ColumnPlan(
        bronze=BronzeColumn(
            name=column.name,
            source=actual.name,
            postgres_type=actual.type,
            stored_as=stored_as,
            nullable=not actual.not_null,
            key_position=key.index(actual.name) + 1 if actual.name in key else None,
            attnum=actual.position,
            missing=missing,
            computed=computed,
            labels=dict(actual.labels),
        ),
        expression=expression,
        wire=wire,
        masked=column.mask is not None,
        replace_by_null=column.on_unrepresentable == "null",
    )
