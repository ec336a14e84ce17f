"""What `midnight quarantine` prints and writes."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.console.query_output import csv_field
from midnight.configuration.tables import Table as ConfiguredTable
from midnight.quarantine.rejected import RejectedByRule

if TYPE_CHECKING:
    import pyarrow as pa


def print_rules(found: Sequence[RejectedByRule], timezone: str) -> None:
    """One line per rule, those with new rows first.

    Args:
        found: sorted.
        timezone: of the pipeline, in which times are shown.
    """
    console = Console(highlight=False)
    if not found:
        console.print("no row is in quarantine")
        return
    table = Table(box=None, pad_edge=False)
    for name in ("table", "rule", "rows", "new", "since"):
        justify: Literal["left", "right"] = "right" if name in ("rows", "new") else "left"
        table.add_column(name, justify=justify, no_wrap=name != "rule", overflow="fold")
    table.add_column("owner", overflow="fold")
    for one in found:
        new = Text(f"+{one.new_rows:,}", "bold yellow") if one.new_rows else Text("-", "dim")
        rule = Text(one.rule.name)
        cells = (Text(one.table.silver), rule, f"{one.rows:,}", new, _time(one.since, timezone), Text(one.rule.owner))
        table.add_row(*cells)
    _print_whole(console, table)
    console.print(
        Text("midnight quarantine explain TABLE RULE says what is wrong and how to fix it", "dim"), soft_wrap=True
    )


def print_explanations(table: ConfiguredTable, found: Sequence[RejectedByRule], timezone: str) -> None:
    """Each rule in words, with its owner, the fix and examples.

    Args:
        table: of the rules.
        found: sorted; may be empty.
        timezone: of the pipeline, in which times are shown.
    """
    console = Console(highlight=False)
    if not found:
        console.print(Text(f"no row of {table.silver} is in quarantine"))
    for one in found:
        rows = f"{one.rows:,} row{'' if one.rows == 1 else 's'} in quarantine, {one.new_rows:,} new"
        since = f", since {_time(one.since, timezone)}" if one.since else ""
        title = Text.assemble((f"{table.silver}: {one.rule.name}", "bold"), f"  {rows}{since}")
        console.print(title, soft_wrap=True)
        rule = one.rule
        facts = {
            "rule": rule.requirement,
            "why": rule.description,
            "owner": rule.owner,
            "link": rule.link,
            "fix": rule.hint,
        }
        grid = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
        grid.add_column(style="dim", no_wrap=True)
        grid.add_column(overflow="fold")
        for name, text in facts.items():
            if text:
                grid.add_row(f"  {name}", Text(text))
        console.print(grid)
        if one.examples:
            _print_examples(console, one)
        console.print()


def _print_examples(console: Console, one: RejectedByRule) -> None:
    examples = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("  key", "column", "value", ""):
        examples.add_column(name, overflow="fold")
    for example in one.examples:
        key = example.key or "(the table has no key)"
        value = example.offending.value or ("(masked)" if example.offending.column else "")
        marks = ("new", "yellow") if example.is_new else ("", "")
        examples.add_row(Text(f"  {key}"), Text(example.offending.column), Text(value, "red"), Text(*marks))
    _print_whole(console, examples)
    if one.rows > len(one.examples):
        more = f"  {one.rows - len(one.examples):,} more: midnight quarantine export {one.table.silver} {one.rule.name}"
        console.print(Text(more, "dim"), soft_wrap=True)


def write_export(rows: pa.Table, form: Literal["csv", "json", "parquet"], output: Path | None) -> None:
    """Write all rows; as CSV like `midnight query`, as JSON one array of objects, as Parquet with columns of text.

    Args:
        rows: columns of text.
        form: of the output.
        output: replaced as a whole, readable by its owner alone; None for standard output.

    Raises:
        OSError: no permission, no such folder, disk full.
    """
    with _stream(output) as out:
        if form == "parquet":
            import pyarrow.parquet as pq

            pq.write_table(rows, out)
            return
        for line in _csv_lines(rows) if form == "csv" else _json_lines(rows):
            out.write(f"{line}\n".encode())


def _csv_lines(rows: pa.Table) -> Iterator[str]:
    yield ",".join(csv_field(name) for name in rows.column_names)
    for batch in rows.to_batches():
        for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            yield ",".join(csv_field(value) for value in row)


def _json_lines(rows: pa.Table) -> Iterator[str]:
    left = rows.num_rows
    yield "[" if left else "[]"
    for batch in rows.to_batches():
        for row in batch.to_pylist():
            left -= 1
            yield json.dumps(row, ensure_ascii=False) + ("," if left else "\n]")


@contextlib.contextmanager
def _stream(output: Path | None) -> Iterator[BinaryIO]:
    if output is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    handle, name = tempfile.mkstemp(dir=output.parent, prefix=".", suffix=".tmp")  # mkstemp makes it 0600
    try:
        with os.fdopen(handle, "wb") as stream:
            yield stream
        Path(name).replace(output)
    finally:
        Path(name).unlink(missing_ok=True)


def _print_whole(console: Console, table: Table) -> None:
    """A file or a pipe gets whole lines."""
    if not console.is_terminal:
        console = Console(highlight=False, width=max(console.measure(table).maximum, 1))
    console.print(table)


def _time(moment: datetime | None, timezone: str) -> str:
    return "" if moment is None else f"{moment.astimezone(ZoneInfo(timezone)):%a %d %b %Y, %H:%M}"
