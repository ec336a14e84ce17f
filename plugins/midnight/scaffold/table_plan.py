"""Table configurations for a surveyed database, which load it unchanged.

No row goes to quarantine, and no text becomes null unless it clearly means null.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from midnight.configuration.checks import ForeignKey
from midnight.configuration.cursors import TRANSACTION_CURSOR
from midnight.configuration.tables import Table
from midnight.names import safe_names
from midnight.scaffold.column_plan import (
    is_change_time,
    may_mean_null,
    plan_column,
    share,
    types_kept_as_text,
)
from midnight.scaffold.foreign_keys import ReferencedTable, foreign_key_check, unwritten_check
from midnight.scaffold.silver_names import silver_names
from midnight.scaffold.source_survey import SourceTable
from midnight.scaffold.value_sample import TableSample

GROUP = "main"
_LARGE_BYTES = 100_000_000


@dataclass(frozen=True)
class TablePlan:
    """A table's configuration with the comments that explain it.

    Args:
        header: comments at the top of the file.
        mode_comment: whether ``mode: incremental`` would suit the table.
        key_comment: where the key comes from.
        column_comments: by column name, comments above it.
        null_shares: by column name, the comment after ``nulls``.
        longest: by column name, the longest text in characters, for the gold contract.
        text_types: source types that bronze keeps as text (``json``, ``integer[]``), for the summary.
        notes: comments for the summary.
        unwritten_checks: by foreign key of the source, the comment with the reason why it has no check.
        kept_texts: by column name, texts that may mean null and are kept.
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
    unwritten_checks: Mapping[str, str] = field(default_factory=dict)
    kept_texts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def plan_tables(
    tables: Sequence[SourceTable],
    samples: Mapping[tuple[str, str], TableSample],
    known: Sequence[Table] = (),
) -> list[TablePlan]:
    """Configurations for the tables that have none yet.

    Args:
        tables: of the source, including those that are configured.
        samples: by (schema, table); a missing one counts as empty.
        known: configured tables: their silver names are taken, and foreign keys may reference them.
    """
    configured = {(table.schema_name, table.table): table for table in known}
    sources = {(table.schema, table.name): table for table in tables}
    new = [table for table in tables if (table.schema, table.name) not in configured]
    silver = silver_names([(t.schema, t.name) for t in new], [table.silver for table in known])
    referring = _referring_columns(new)
    plans = {
        (t.schema, t.name): _plan(
            t,
            samples.get((t.schema, t.name), TableSample()),
            silver[t.schema, t.name],
            referring.get((t.schema, t.name), set()),
        )
        for t in new
    }
    targets = {place: ReferencedTable(table, sources.get(place)) for place, table in configured.items()}
    targets |= {place: ReferencedTable(plan.table, sources[place]) for place, plan in plans.items()}
    return [_with_checks(plan, targets[place], targets) for place, plan in plans.items()]


def _with_checks(
    plan: TablePlan, own: ReferencedTable, targets: Mapping[tuple[str, str], ReferencedTable]
) -> TablePlan:
    """The plan with the checks of its foreign keys; needs the columns of every table."""
    foreign_keys = () if own.source is None else own.source.foreign_keys
    checks, unwritten = [], []
    for foreign in foreign_keys:
        check = foreign_key_check(foreign, own, targets)
        if isinstance(check, str):
            unwritten.append((foreign.name, unwritten_check(foreign, check)))
        else:
            checks.append(ForeignKey.model_validate(check))
    table = plan.table.model_copy(update={"checks": tuple(checks)})
    return replace(plan, table=table, unwritten_checks=dict(unwritten))


def _names(table: SourceTable) -> dict[str, str]:
    sources = [column.name for column in table.columns]
    return dict(zip(sources, safe_names(sources), strict=True))


def _referring_columns(tables: Sequence[SourceTable]) -> dict[tuple[str, str], set[str]]:
    """Columns that identify rows: keys, foreign keys and referenced columns. Their texts are kept unchanged."""
    result: dict[tuple[str, str], set[str]] = {(t.schema, t.name): set(t.key) for t in tables}
    for table in tables:
        for foreign in table.foreign_keys:
            result[table.schema, table.name].update(foreign.columns)
            target = (foreign.referenced_schema, foreign.referenced_table)
            result.setdefault(target, set()).update(foreign.referenced_columns)
    return result


def _plan(source: SourceTable, sample: TableSample, silver: str, identifying: set[str]) -> TablePlan:
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
            "silver": silver,
            "group": GROUP,
            "key": tuple(names[column] for column in source.key),
            "order_by": (f"{names[changed.name]} desc",) if changed and source.key else (),
            "duplicates": "drop" if source.key else "keep",
            # A column that the role may not read is not in the file; including it would fail every run.
            "new_columns": "ignore" if source.unreadable else "include",
            "description": source.catalogue.comment.strip(),
            "columns": columns,
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
        kept_texts=_kept_texts(source, names, sample, identifying),
    )


def _kept_texts(
    source: SourceTable, names: Mapping[str, str], sample: TableSample, identifying: set[str]
) -> dict[str, tuple[str, ...]]:
    samples = {c.name: sample.column(c.name) for c in source.columns}
    return {
        names[name]: seen.null_texts
        for name, seen in samples.items()
        if may_mean_null(seen, identifying=name in identifying)
    }


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
        lines.append(f"No row could be read ({sample.failure}): null texts are unknown.")
    elif sample.rows and not sample.whole:
        lines.append(f"Percentages are of {sample.rows:,} sampled rows.")
    return [*lines, *source.notes]


def _mode_comment(source: SourceTable, table: Table, changed: str | None) -> str:
    """A proposal to read only changed rows, for a large table with a key: by its indexed time of change, or by xmin."""
    if source.catalogue.bytes < _LARGE_BYTES or not table.key:
        return ""
    name = next((column.name for column in table.columns if column.source_name == changed), None)
    column = table.model_copy(update={"cursor": name})
    if column.cursor_kind is None or changed not in source.indexed:
        if not source.catalogue.has_xmin:
            return ""
        return (
            f"A large table without an indexed time of change. mode: incremental with cursor: {TRANSACTION_CURSOR} "
            "reads only the changed rows, for which the server scans the table, and deletes: keys finds the deleted "
            "ones (docs/incremental-tables.md)."
        )
    return (
        f"A large table with an index on {name}. If every write sets it, mode: incremental with cursor: {name} "
        "reads only the changed rows, and deletes: keys finds the deleted ones (docs/incremental-tables.md)."
    )


def _key_comment(source: SourceTable) -> str:
    if source.key_is_primary:
        return "Primary key of the source."
    if source.key:
        return "The source has no primary key; this is a unique key without nulls."
    if source.catalogue.guaranteed_keys:
        return "The source's key is not used: it has a column that is not loaded, or an array, whose bounds JSON loses."
    return (
        "The source has no key, so that the whole row identifies it: a changed row is a deleted and a new one. "
        "If you know a key, write it here."
    )
