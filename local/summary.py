"""What a run did, after it is finished: the ledger per table, a look at a reporting view, and where to go on."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from midnight.errors import LedgerError
from midnight.ledger import LedgerEntry
from midnight.names import quote_identifier
from midnight.settings import Settings

_COLUMNS = (
    "rows_in",
    "inserted",
    "updated",
    "unchanged",
    "deleted",
    "duplicates",
    "dropped",
    "quarantined",
    "silver_after",
)
_VIEW_ROWS = 5
_VIEW_COLUMNS = 8
_LONGEST_CELL = 200
_DEMO_VIEW = "daily_punctuality"  # says more than the first one of the alphabet


def check_ledger(entries: list[LedgerEntry], tables: list[str]) -> None:
    """Every table has an entry, and every row of every entry is accounted for.

    Args:
        entries: the last ones of the run.
        tables: silver names that the run had to load.

    Raises:
        LedgerError: with each table that has none or does not add up.
    """
    missing = sorted(set(tables) - {entry.table for entry in entries})
    wrong = [entry.imbalance for entry in entries if entry.imbalance]
    wrong += [f"{entry.table}: {entry.status}: {entry.message}" for entry in entries if entry.status == "failed"]
    wrong += [f"{table}: the ledger has no entry of this run" for table in missing]
    if wrong:
        raise LedgerError("the ledger does not add up:\n" + "\n".join(f"  {line}" for line in wrong))


def print_ledger(console: Console, entries: list[LedgerEntry]) -> None:
    """One row per table."""
    table = Table(title="What the run did, in rows", title_justify="left", title_style="bold", box=None)
    table.add_column("table", overflow="fold")
    for name in _COLUMNS:
        heading = "silver rows" if name == "silver_after" else name.replace("_", " ")
        table.add_column(heading, justify="right", overflow="fold")  # a narrow terminal breaks words, hides nothing
    for entry in entries:
        cells = [f"{getattr(entry, name):,}" for name in _COLUMNS]
        table.add_row(Text(entry.source_table), *(Text(cell, "dim" if cell == "0" else "") for cell in cells))
    console.print(table)
    for entry in entries:
        if entry.message:
            console.print(Text(f"  {entry.source_table}: {entry.message}", "dim"))


def print_view(console: Console, database: Path) -> None:
    """A few rows of a view, the newest first where it has dates, so that a night's new day is seen.

    A reporting view where there is one; a database that `make init` has just met only has the base views of gold.
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
                f"SELECT {', '.join(map(quote_identifier, shown))} FROM {schema}.{quote_identifier(name)}"
                f"{order} LIMIT {_VIEW_ROWS}"
            ).fetchall()
            if not rows:
                continue
            table = Table(title=f"{schema}.{name}", title_justify="left", title_style="bold", box=None)
            for column in shown:
                table.add_column(Text(column), overflow="fold")
            for row in rows:
                table.add_row(*map(_cell, row))
            console.print(table)
            return


def _cell(value: object) -> Text:
    """As it is: rich would take a value such as ``[/b]`` for markup, and fail."""
    if value is None:
        return Text("·")
    return Text(f"{value:.2f}" if isinstance(value, float) else str(value)[:_LONGEST_CELL])


def print_addresses(console: Console, settings: Settings, *, url: str, user: str, password: str) -> None:
    """Where to look next. The password is this instance's own, generated, and good on this machine only."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_row("Airflow", f"{url}  (user {user}, password {password})")
    if settings.report_page.exists():
        table.add_row("report", settings.report_page.as_uri())
    if settings.serving_database.exists():
        table.add_row("views", f"{settings.serving_database}  (DuckDB)")
    table.add_row("lake", settings.paths.bronze.removesuffix("/bronze"))
    console.print(table, soft_wrap=True)
