"""How every benchmark prints what it measured: a heading over each column, the reference in the first row."""

from __future__ import annotations

from collections.abc import Sequence


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print aligned columns: names to the left, figures with their unit to the right.

    Args:
        headings: of the columns; the first is of the names.
        rows: as texts, each as long as ``headings``.
    """
    widths = [max(len(line[i]) for line in (headings, *rows)) for i in range(len(headings))]
    print()
    for line in (headings, ["-" * width for width in widths], *rows):
        cells = [
            line[0].ljust(widths[0]),
            *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)),
        ]
        print("  ".join(cells).rstrip())
    print(flush=True)
