"""From a survey to table configurations that load a healthy database as it is: no row is kept out, no text changed
but those that plainly mean null."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from midnight.configuration_writer.column_plan import is_change_time, plan_column, share, types_kept_as_text
from midnight.configuration_writer.silver_names import silver_names
from midnight.configuration_writer.source_survey import SourceTable
from midnight.configuration_writer.value_sample import TableSample
from midnight.names import safe_names
from midnight.postgres_to_bronze.catalogue import ForeignKeyConstraint
from midnight.tables import Table

GROUP = "main"
_LARGE_BYTES = 100_000_000


@dataclass(frozen=True)
class TablePlan:
    """A table's configuration with the comments that explain it.

    Args:
        header: lines above everything.
        mode_comment: what else the table's size and columns suggest.
        key_comment: why this key.
        column_comments: by column name, what stands above it.
        null_shares: by column name, what stands behind ``nulls``.
        longest: by column name, most characters of a text; for the gold contract.
        text_types: source types that bronze keeps as text (``json``, ``integer[]``), for the summary.
        notes: what the summary says about the table.
    """

    table: Table
    header: tuple[str, ...] = ()
    mode_comment: str = ""
    key_comment: str = ""
    column_comments: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    null_shares: Mapping[str, str] = field(default_factory=dict)
    longest: Mapping[str, int] = field(default_factory=dict)
    text_types: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def plan_tables(
    tables: Sequence[SourceTable],
    samples: Mapping[tuple[str, str], TableSample],
    known: Sequence[Table] = (),
) -> list[TablePlan]:
    """Configurations for tables that have none yet.

    Args:
        tables: those to configure, then any that foreign keys may point to.
        samples: by (schema, table); a missing one counts as nothing seen.
        known: tables that are configured already: their silver names are taken, foreign keys may point to them.
    """
    configured = {(table.schema_name, table.table): table for table in known}
    new = [table for table in tables if (table.schema, table.name) not in configured]
    silver = silver_names([(t.schema, t.name) for t in new], [table.silver for table in known])
    targets = {(t.schema, t.name): _Target(silver[t.schema, t.name], _names(t), t.key) for t in new}
    for place, table in configured.items():
        names = {column.source_name: column.name for column in table.silver_columns}
        source_key = tuple(next((s for s, n in names.items() if n == key), "") for key in table.key)
        targets[place] = _Target(table.silver, names, source_key)
    referring = _referring_columns(new)
    return [
        _plan(t, samples.get((t.schema, t.name), TableSample()), targets, referring.get((t.schema, t.name), set()))
        for t in new
    ]


@dataclass(frozen=True)
class _Target:
    """What a foreign key needs to know about the table it points to: names by source name, key by source names."""

    silver: str
    names: Mapping[str, str]
    key: tuple[str, ...]


def _names(table: SourceTable) -> dict[str, str]:
    sources = [column.name for column in table.columns]
    return dict(zip(sources, safe_names(sources), strict=True))


def _referring_columns(tables: Sequence[SourceTable]) -> dict[tuple[str, str], set[str]]:
    """Columns that identify rows: keys, foreign keys, and what these point to. Their texts stay as they are."""
    result: dict[tuple[str, str], set[str]] = {(t.schema, t.name): set(t.key) for t in tables}
    for table in tables:
        for foreign in table.foreign_keys:
            result[table.schema, table.name].update(foreign.columns)
            target = (foreign.referenced_schema, foreign.referenced_table)
            result.setdefault(target, set()).update(foreign.referenced_columns)
    return result


def _plan(
    source: SourceTable,
    sample: TableSample,
    targets: Mapping[tuple[str, str], _Target],
    identifying: set[str],
) -> TablePlan:
    names = _names(source)
    columns, comments, shares = [], {}, {}
    for column in source.columns:
        name = names[column.name]
        entry, lines = plan_column(column, name, sample, identifying=column.name in identifying)
        columns.append(entry)
        comments[name] = tuple(lines)
        if sample.rows and not column.not_null:
            shares[name] = f"{share(sample.column(column.name).nulls, sample.rows)} null"
    changed = next((c for c in source.columns if is_change_time(c)), None)
    table = Table.model_validate(
        {
            "schema": source.schema,
            "table": source.name,
            "silver": targets[source.schema, source.name].silver,
            "group": GROUP,
            "key": tuple(names[column] for column in source.key),
            "order_by": (f"{names[changed.name]} desc",) if changed and source.key else (),
            "duplicates": "drop" if source.key else "keep",
            # A column that the role may not read is new to the file, and would stop every night.
            "new_columns": "ignore" if source.unreadable else "include",
            "description": source.catalogue.comment.strip(),
            "columns": columns,
            "checks": [c for f in source.foreign_keys if (c := _foreign_key_check(f, source, names, targets))],
        }
    )
    return TablePlan(
        table=table,
        header=tuple(_header(source, sample)),
        mode_comment=_mode_comment(source, table, None if changed is None else changed.name),
        key_comment=_key_comment(source),
        column_comments=comments,
        null_shares=shares,
        longest={names[column]: length for column, length in source.longest.items() if column in names},
        text_types=tuple(types_kept_as_text(source)),
        notes=source.notes,
    )


def _header(source: SourceTable, sample: TableSample) -> list[str]:
    rows = source.catalogue.rows
    count = (
        f"{sample.rows:,}"
        if sample.whole and not sample.failure
        else (f"about {rows:,}" if rows else "an unknown number of")
    )
    size = source.catalogue.bytes / 1000
    shown = f"{size:,.0f} kB" if size < 1000 else f"{size / 1000:,.0f} MB"
    lines = [f"{source.qualified_name}: {count} rows, {shown} when this was written."]
    if sample.failure:
        lines.append(f"No row could be looked at ({sample.failure}): null texts are not known.")
    elif sample.rows and not sample.whole:
        lines.append(f"Shares are those of {sample.rows:,} sampled rows.")
    return [*lines, *source.notes]


def _mode_comment(source: SourceTable, table: Table, changed: str | None) -> str:
    """Where reading only what changed would pay: a large table with a key and an indexed time of change."""
    name = next((column.name for column in table.columns if column.source_name == changed), None)
    column = table.model_copy(update={"cursor": name})
    if source.catalogue.bytes < _LARGE_BYTES or not table.key or column.cursor_kind is None:
        return ""
    if changed not in source.indexed:
        return ""
    return (
        f"A large table with an index on {name}: where every write sets it, mode: incremental with cursor: {name} "
        "reads only the rows that changed (docs/bronze.md)."
    )


def _key_comment(source: SourceTable) -> str:
    if source.key_is_primary:
        return "Primary key of the source."
    if source.key:
        return "The source has no primary key; this unique key without nulls stands for it."
    return (
        "The source has no key, so that the whole row identifies it: a changed row is one that went and one that came. "
        "Where you know a key, write it here."
    )


def _foreign_key_check(
    foreign: ForeignKeyConstraint,
    source: SourceTable,
    names: Mapping[str, str],
    targets: Mapping[tuple[str, str], _Target],
) -> dict[str, Any] | None:
    """A check, where the foreign key points to the key of a loaded table."""
    target = targets.get((foreign.referenced_schema, foreign.referenced_table))
    if target is None or set(foreign.referenced_columns) != set(target.key) or not set(foreign.columns) <= set(names):
        return None
    loose = foreign.name in source.broken_keys
    return {
        "rule": "foreign_key",
        "name": foreign.name,
        "columns": tuple(names[column] for column in foreign.columns),
        "table": target.silver,
        "references": tuple(target.names[column] for column in foreign.referenced_columns),
        "on_failure": "warn",
        "description": "The source does not enforce this one for every row" if loose else "",
    }
