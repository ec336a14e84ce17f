"""The report of ``make init``: which tables are loaded, which are not and why, and what changed on disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from midnight.column_types import spark_type
from midnight.configuration.tables import Table
from midnight.postgres_to_bronze.catalogue import CatalogueTable
from midnight.postgres_to_bronze.table_plan import table_faults
from midnight.scaffold.source_survey import SourceSurvey
from midnight.scaffold.table_plan import TablePlan
from midnight.scaffold.value_sample import TableSample
from midnight.scaffold.write_configuration import WrittenConfiguration
from midnight.settings import REPOSITORY, Settings

_LISTED = 40
_TYPES = 6


def print_summary(
    console: Console,
    written: WrittenConfiguration,
    survey: SourceSurvey,
    samples: Mapping[tuple[str, str], TableSample],
) -> None:
    """Print the treatment of text values, then two tables: what is loaded, and what is left out and why."""
    for line in text_decisions(written.plans):
        console.print(Text(_printable(line)), soft_wrap=True)
    sources = {(table.schema, table.name): table for table in survey.tables}
    rows = []
    for plan in written.plans:
        place = (plan.table.schema_name, plan.table.table)
        estimate, sample = sources[place].catalogue.rows, samples[place]
        whole = sample.whole and not sample.failure
        count = f"{sample.rows:,}" if whole else "?" if estimate is None else f"~{estimate:,}"
        rows.append([plan.table.qualified_name, count, ", ".join(plan.table.key) or "none", "; ".join(remarks(plan))])
    _grid(console, "Configured", {"table": "left", "rows": "right", "key": "left", "look at": "left"}, rows)
    kept = {table.qualified_name for table in written.kept}  # `print_changes` reports these
    left_out = [[item.name, item.kind, item.reason] for item in survey.left_out if item.name not in kept]
    _grid(console, "Left out", {"what": "left", "kind": "left", "why": "left"}, left_out)


def text_decisions(plans: Sequence[TablePlan]) -> list[str]:
    """The text values that silver changes or keeps; printed first, since they are easy to miss in a file."""
    emptied = [
        f"{plan.table.qualified_name}.{column.name} {_quoted(column.null_values)}"
        for plan in plans
        for column in plan.table.columns
        if column.null_values
    ]
    kept = [
        f"{plan.table.qualified_name}.{name} {_quoted(texts)}"
        for plan in plans
        for name, texts in plan.kept_texts.items()
    ]
    lines = []
    if emptied:
        lines += ["Texts that become null, since the rest of the column is numbers or dates (null_values in its file):"]
        lines += [f"  {line}" for line in _at_most(emptied)]
    if kept:
        lines += ["Texts that often mean null and stay as they are, since they may be names or codes:"]
        lines += [f"  {line}" for line in _at_most(kept)]
        lines += ["  Where they mean null, add null_values to the column."]
    if any(
        column.trim and spark_type(column.type, column.bronze_type) == "STRING"
        for plan in plans
        for column in plan.table.columns
    ):
        lines.append("White space around texts is removed, except in keys and foreign keys; trim: false keeps it.")
    return [*lines, ""] if lines else []


def _quoted(texts: Sequence[str]) -> str:
    return ", ".join(repr(text) for text in texts)


def _at_most(lines: Sequence[str]) -> list[str]:
    return [*lines[:_LISTED], *([f"and {len(lines) - _LISTED} more"] if len(lines) > _LISTED else [])]


def remarks(plan: TablePlan) -> list[str]:
    """What a user should check in a table's file."""
    table, result = plan.table, [note.removesuffix(".") for note in plan.notes]
    if not table.key:
        result.append("no key: complete rows are compared")
    elif plan.key_comment.startswith("The source has no primary key"):
        result.append("unique key in place of a primary key")
    if table.silver != table.table:
        result.append(f"silver.{table.silver}")
    stored = [f"{column.name} as {column.bronze_type}" for column in table.columns if column.bronze_type]
    result += [f"bronze_type: {', '.join(stored)}"] if stored else []
    unwritten = plan.unwritten_checks
    result += [f"no check for foreign key {', '.join(unwritten)}"] if unwritten else []
    types = sorted(set(plan.text_types))
    more = f" and {len(types) - _TYPES} more types" if len(types) > _TYPES else ""
    result += [f"as text: {', '.join(types[:_TYPES])}{more}"] if types else []
    return result


def print_changes(
    console: Console,
    settings: Settings,
    written: WrittenConfiguration,
    relations: Mapping[tuple[str, str], CatalogueTable],
    *,
    role: str,
    moved: Sequence[str],
) -> None:
    """Print what was written where, what was kept, and the next step.

    Args:
        console: to print to.
        settings: of the instance.
        written: what was written.
        relations: catalogue entries of the tables that were configured before.
        role: of the connection.
        moved: folders of the lake that were moved away.
    """
    config = settings.config.relative_to(REPOSITORY) if settings.config.is_relative_to(REPOSITORY) else settings.config
    lines = []
    if written.replaced is not None:
        lines.append(f"The configuration of another source was moved to {written.replaced}")
        if moved:
            lines.append(f"with the layers built from it ({', '.join(moved)}); its bronze batches stay.")
    if written.kept:
        lines.append(f"{len(written.kept)} tables were configured already: their files stay as they are.")
    lines += _configured_before(written, relations, role)
    files = f"{len(written.plans)} tables and {len(written.gold)} gold models"
    lines.append(f"Written: {files} in {config}/" if written.plans else f"Nothing new: {config}/ is complete.")
    lines.append(f"The connection, with its password, is in {settings.home / 'connections.yaml'}")
    lines.append("Next: read the files, then run `make up`. docs/own-database.md shows the way.")
    for line in lines:
        console.print(Text(line), soft_wrap=True)


def _configured_before(
    written: WrittenConfiguration, relations: Mapping[tuple[str, str], CatalogueTable], role: str
) -> list[str]:
    """Configured tables that `make init` would not add today; only files of dropped tables may be deleted."""
    lines, other = [], []
    for table in written.kept:
        found = relations.get((table.schema_name, table.table))
        if found is not None:
            lines += [f"{fault[:1].upper()}{fault[1:]}; its file stays." for fault in table_faults(table, found, role)]
            other += (
                [f"{table.qualified_name} ({found.kind})"] if found.kind not in ("table", "partitioned table") else []
            )
    if other:
        lines.append(f"Not tables, and loaded since they are configured: {', '.join(_at_most(other))}.")
    if written.deleted:
        lines.append(f"No longer in the database: {_names(written.deleted)}. Delete their files.")
    return lines


def _names(tables: Sequence[Table]) -> str:
    names = [table.qualified_name for table in tables]
    return ", ".join(names[:_LISTED]) + (f" and {len(names) - _LISTED} more" if len(names) > _LISTED else "")


def _grid(
    console: Console, title: str, columns: Mapping[str, Literal["left", "right"]], rows: Sequence[Sequence[str]]
) -> None:
    if not rows:
        return
    grid = Grid(title=title, title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 0))
    for name, justify in columns.items():
        grid.add_column(name, justify=justify, overflow="fold")
    for row in rows[:_LISTED]:
        grid.add_row(*(Text(_printable(cell)) for cell in row))
    console.print(grid)
    if len(rows) > _LISTED:
        console.print(f"… and {len(rows) - _LISTED} more")
    console.print()


def _printable(text: str) -> str:
    """Names may contain control characters, which a terminal would interpret."""
    return "".join(character if character.isprintable() else "�" for character in text)
