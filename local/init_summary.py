"""What ``make init`` tells at its end: what is loaded, what is not and why, what changed on disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from midnight.configuration_writer.source_survey import SourceSurvey
from midnight.configuration_writer.table_plan import TablePlan
from midnight.configuration_writer.value_sample import TableSample
from midnight.configuration_writer.write_configuration import WrittenConfiguration
from midnight.settings import REPOSITORY, Settings
from midnight.tables import Table

_LISTED = 40
_TYPES = 6


def print_summary(
    console: Console,
    written: WrittenConfiguration,
    survey: SourceSurvey,
    samples: Mapping[tuple[str, str], TableSample],
) -> None:
    """Two tables: what is loaded, and what is left out and why."""
    sources = {(table.schema, table.name): table for table in survey.tables}
    rows = []
    for plan in written.plans:
        place = (plan.table.schema_name, plan.table.table)
        estimate, sample = sources[place].catalogue.rows, samples[place]
        whole = sample.whole and not sample.failure
        count = f"{sample.rows:,}" if whole else "?" if estimate is None else f"~{estimate:,}"
        rows.append([plan.table.qualified_name, count, ", ".join(plan.table.key) or "none", "; ".join(remarks(plan))])
    _grid(console, "Configured", {"table": "left", "rows": "right", "key": "left", "look at": "left"}, rows)
    left_out = [[item.name, item.kind, item.reason] for item in survey.left_out]
    _grid(console, "Left out", {"what": "left", "kind": "left", "why": "left"}, left_out)


def remarks(plan: TablePlan) -> list[str]:
    """What a person should look at in a table's file, in a few words each."""
    table, result = plan.table, [note.removesuffix(".") for note in plan.notes]
    if not table.key:
        result.append("no key: whole rows are compared")
    elif plan.key_comment.startswith("The source has no primary key"):
        result.append("unique key in place of a primary key")
    if table.silver != table.table:
        result.append(f"silver.{table.silver}")
    null_texts = [column.name for column in table.columns if column.null_text]
    result += [f"null_text: {', '.join(null_texts)}"] if null_texts else []
    stored = [f"{column.name} as {column.store}" for column in table.columns if column.store]
    result += [f"store: {', '.join(stored)}"] if stored else []
    types = sorted(set(plan.text_types))
    more = f" and {len(types) - _TYPES} more types" if len(types) > _TYPES else ""
    result += [f"as text: {', '.join(types[:_TYPES])}{more}"] if types else []
    return result


def print_changes(console: Console, settings: Settings, written: WrittenConfiguration, *, moved: Sequence[str]) -> None:
    """What was written where, what stayed, and what to do next."""
    config = settings.config.relative_to(REPOSITORY) if settings.config.is_relative_to(REPOSITORY) else settings.config
    lines = []
    if written.replaced is not None:
        lines.append(f"The configuration of another source was moved to {written.replaced}")
        if moved:
            lines.append(f"with what was made from it ({', '.join(moved)}); its bronze batches stay.")
    if written.kept:
        lines.append(f"{len(written.kept)} tables were configured already: their files stay as they are.")
    if written.vanished:
        lines.append(f"No longer in the database, or not readable: {_names(written.vanished)}. Delete their files.")
    files = f"{len(written.plans)} tables and {len(written.gold)} gold models"
    lines.append(f"Written: {files} in {config}/" if written.plans else f"Nothing new: {config}/ is complete.")
    lines.append(f"The connection, with its password, is in {settings.home / 'connections.yaml'}")
    lines.append("Next: read the files, then run `make up`. docs/own-database.md shows the way.")
    for line in lines:
        console.print(Text(line), soft_wrap=True)


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
    """Names may hold control characters, which a terminal would obey."""
    return "".join(character if character.isprintable() else "�" for character in text)
