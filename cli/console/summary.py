"""The result of a run: the ledger per table, rows of a reporting view, and addresses."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.instance.folder import ADMIN_PASSWORD, Instance
from midnight.errors import LedgerError
from midnight.lake.ledger import LedgerEntry
from midnight.settings import Settings
from midnight.sql_text import quote_identifier, quote_relation

# The ledger's counts: heading, and the same in two lines for a narrow terminal. Page and log use the same words.
_COLUMNS = {
    "rows_in": ("rows in", "rows in"),
    "inserted": ("inserted", "in-\nserted"),
    "updated": ("updated", "up-\ndated"),
    "unchanged": ("unchanged", "un-\nchanged"),
    "deleted": ("deleted", "de-\nleted"),
    "duplicates": ("duplicates", "dupli-\ncates"),
    "dropped": ("dropped", "drop-\nped"),
    "quarantined": ("quarantined", "quaran-\ntined"),
    "silver_after": ("silver rows", "silver\nrows"),
}
_VIEW_ROWS = 5
_VIEW_COLUMNS = 8
_LONGEST_CELL = 200
_LONGEST_WORD = 20
_WIDTH_OF_THE_LEDGER = 112
_DEMO_VIEW = "daily_punctuality"  # more informative than the first in the alphabet


def check_ledger(entries: list[LedgerEntry], tables: list[str]) -> None:
    """Every table has an entry, and every row of every entry is accounted for.

    Args:
        entries: the last one of the run for each table.
        tables: silver names that the run had to load.

    Raises:
        LedgerError: lists each table without an entry or with an imbalance.
    """
    missing = sorted(set(tables) - {entry.table for entry in entries})
    wrong = [entry.imbalance for entry in entries if entry.imbalance]
    wrong += [f"{entry.table}: {entry.status}: {entry.message}" for entry in entries if entry.status == "failed"]
    wrong += [f"{table}: the ledger has no entry of this run" for table in missing]
    if wrong:
        raise LedgerError("the ledger does not add up:\n" + "\n".join(f"  {line}" for line in wrong))


def print_ledger(console: Console, entries: Sequence[LedgerEntry], title: str = "What the run did, in rows") -> None:
    """Print one row per table. A narrow terminal gets narrow headings, no columns of zeros, and complete numbers."""
    cells = {name: [f"{getattr(entry, name):,}" for entry in entries] for name in _COLUMNS}
    narrow = console.width < _WIDTH_OF_THE_LEDGER
    shown = [name for name in _COLUMNS if not narrow or name == "rows_in" or set(cells[name]) != {"0"}]
    title += " (zeros left out)" if len(shown) < len(_COLUMNS) else ""
    padding = (0, 1, 0, 0) if narrow else (0, 1)
    table = Table(title=title, title_justify="left", title_style="bold", box=None, padding=padding)
    table.add_column("table", overflow="fold")
    for name in shown:
        table.add_column(_COLUMNS[name][narrow], justify="right", no_wrap=True)
    for index, entry in enumerate(entries):
        row = [cells[name][index] for name in shown]
        table.add_row(Text(entry.source_table), *(Text(cell, "dim" if cell == "0" else "") for cell in row))
    console.print(table)
    for entry in entries:
        if entry.message:
            console.print(Text(f"  {entry.source_table}: {entry.message}", "dim"))
        for notice in filter(None, (entry.released, entry.schema_changes, entry.source_warnings)):
            console.print(Text.assemble(("! ", "yellow"), f"{entry.source_table}: {notice}"), soft_wrap=True)


def print_view(console: Console, database: Path) -> None:
    """Print a few rows of a view, the newest first where it has dates.

    It is a reporting view where there is one; after `make init` there are only the base views of gold.
    """
    import duckdb

    with duckdb.connect(str(database), read_only=True) as connection:
        views = connection.execute(
            "SELECT table_schema, table_name FROM information_schema.tables WHERE table_schema IN ('reporting', 'gold')"
        ).fetchall()
        for schema, name in sorted(views, key=lambda view: (view[0] != "reporting", view[1] != _DEMO_VIEW, view[1])):
            columns = connection.execute(
                "SELECT column_name, data_type FROM information_schema.columns "
                "WHERE table_schema = ? AND table_name = ? ORDER BY ordinal_position",
                [schema, name],
            ).fetchall()
            shown = [column for column, _ in columns if not column.endswith("_key")][:_VIEW_COLUMNS]
            dates = [column for column, kind in columns if kind == "DATE"]
            order = f" ORDER BY {quote_identifier(dates[0])} DESC NULLS LAST" if dates else ""
            rows = connection.execute(
                f"SELECT {', '.join(map(quote_identifier, shown))} FROM {quote_relation(schema, name)}"
                f"{order} LIMIT {_VIEW_ROWS}"
            ).fetchall()
            if not rows:
                continue
            cells = [[_cell(value) for value in row] for row in rows]
            headings = [Text(column.replace("_", " ")) for column in shown]
            texts: list[list[Text]] = [[heading, *column] for heading, *column in zip(headings, *cells, strict=True)]
            table = Table(title=f"{schema}.{name}", title_justify="left", title_style="bold", box=None)
            widths = _column_widths(texts, console.width)
            for heading, width in zip(headings, widths, strict=False):
                table.add_column(heading, overflow="fold", width=width)
            for row in cells:
                table.add_row(*row[: len(widths)])
            console.print(table)
            return


def _column_widths(columns: Sequence[Sequence[Text]], width: int) -> list[int]:
    """Widths of as many columns as fit without breaking words, dates and numbers; at least one."""
    between = 2
    widths: list[int] = []
    left = width
    for column in columns:
        longest = max((len(word) for text in column for word in text.plain.split()), default=1)
        left -= min(longest, _LONGEST_WORD) + between
        if left < 0 and widths:
            left += min(longest, _LONGEST_WORD) + between
            break
        widths.append(min(longest, _LONGEST_WORD))
    for index, column in enumerate(columns[: len(widths)]):  # the rest goes to columns that need it
        more = min(max(0, left), max(len(text) for text in column) - widths[index])
        widths[index] += more
        left -= more
    return widths


def _cell(value: object) -> Text:
    """A value as text: rich would parse a value such as ``[/b]`` as markup, and fail."""
    if value is None:
        return Text("·")
    return Text(f"{value:.2f}" if isinstance(value, float) else str(value)[:_LONGEST_CELL])


def print_addresses(console: Console, settings: Settings, instance: Instance, *, url: str, user: str) -> None:
    """Print addresses. The generated password is shown on a terminal only: a pipe or a file may be kept or sent."""
    shown = f"password {instance.secrets[ADMIN_PASSWORD]}"
    if not console.file.isatty():
        shown = f"password: {ADMIN_PASSWORD} in {instance.secrets_file}"
    rows = {"Airflow": f"{url}  (user {user}, {shown})"}
    if settings.report_page.exists():
        rows["report"] = settings.report_page.as_uri()
    if settings.serving_database.exists():
        rows["views"] = f"{settings.serving_database}  (DuckDB)"
    rows["lake"] = settings.paths.root
    for name, place in rows.items():  # not a table, which would break a long path
        console.print(Text(f"{name:<8} {place}"), soft_wrap=True)
