"""The output of every benchmark: a table with the reference in the first row."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print aligned columns: names to the left, figures with their unit to the right.

    Args:
        headings: of the columns; the first is of the names.
        rows: as texts, each as long as ``headings``.
    """
    # Not at module level: the processes whose memory is measured also import this module.
    from rich.table import Table

    from cli.console.progress import make_console

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(heading, justify="right" if table.columns else "left")
    for row in rows:
        table.add_row(*row)
    console = make_console()
    console.print()
    console.print(table)
    console.print()


def markdown_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The same table for a page."""
    lines = [headings, ["---", *["--:"] * (len(headings) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def show_figures(
    title: str, tables: Sequence[tuple[Sequence[str], Sequence[Sequence[str]]]], page: Path | None, name: str
) -> None:
    """Print figures for people and as Markdown; write them to a page if one is given.

    Args:
        title: what was measured, above the tables.
        tables: headings and rows of each.
        page: see ``write_figures``; None writes nothing.
        name: of the figures.

    Raises:
        ValueError: the page has no markers for these figures.
    """
    print(f"\n{title}")
    for headings, rows in tables:
        print_table(headings, rows)
    text = "\n\n".join([title, *(markdown_table(headings, rows) for headings, rows in tables)])
    print(text)
    if page is not None:
        write_figures(page, name, text)


def write_figures(page: Path, name: str, text: str) -> None:
    """Replace the figures of one benchmark in a page: what is between its two markers.

    Args:
        page: a Markdown file with ``<!-- figures: <name> -->`` and, behind it, ``<!-- end of figures -->``.
        name: of the figures.
        text: the new content.

    Raises:
        ValueError: the page has no such markers.
    """
    content = page.read_text(encoding="utf-8")
    begin, end = f"<!-- figures: {name} -->", "<!-- end of figures -->"
    before, found, rest = content.partition(begin)
    _, found_end, after = rest.partition(end)
    if not found or not found_end:
        raise ValueError(f"{page} has no figures {name!r}; hint: add the lines {begin!r} and {end!r}")
    page.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}", encoding="utf-8")
