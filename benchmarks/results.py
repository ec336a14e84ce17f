"""The output of every benchmark: a table with the reference in the first row."""

from __future__ import annotations

from collections.abc import Sequence


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
