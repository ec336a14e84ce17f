"""Ranges of pages (``ctid``) in which several connections read one table inside one snapshot."""

from __future__ import annotations

from collections.abc import Sequence

from midnight.postgres_to_bronze.catalogue import Leaf

# A range is read by one connection into one file. Smaller ranges cost more queries and files than they save time.
SMALLEST_RANGE_PAGES = 4_096  # 32 MB
LARGEST_RANGE_PAGES = 131_072  # 1 GB
RANGES_PER_CONNECTION = 4  # so that no connection waits long for the last one


def ctid_ranges(leaves: Sequence[Leaf], connections: int) -> tuple[str, ...]:
    """Conditions that split a table into parts of similar size by the position of its rows.

    The same condition applies to every partition (each has pages from 0 on), so that one query on the root is
    enough, and the role needs no permission on the partitions. The last range has no upper end.

    Args:
        leaves: where the rows are.
        connections: that read at the same time.
    """
    total = sum(leaf.pages for leaf in leaves)
    wanted = -(-total // (connections * RANGES_PER_CONNECTION))
    size = min(max(wanted, SMALLEST_RANGE_PAGES), LARGEST_RANGE_PAGES)
    if connections == 1:
        size = LARGEST_RANGE_PAGES
    if total <= size or not all(leaf.heap for leaf in leaves):
        return ("",)
    cuts = _cuts([leaf.pages for leaf in leaves], size)
    bounds = [f"'({page},0)'::tid" for page in cuts]
    starts = ["", *(f"ctid >= {bound}" for bound in bounds)]
    ends = [*(f"ctid < {bound}" for bound in bounds), ""]
    return tuple(" AND ".join(part for part in pair if part) for pair in zip(starts, ends, strict=True))


def _cuts(pages: list[int], size: int) -> list[int]:
    """Page numbers between which there are about ``size`` pages, counted over all leaves."""
    heights = sorted(pages)
    cuts: list[int] = []
    position, gathered, leaves = 0, 0, len(heights)
    for height in heights:  # between two heights the same number of leaves has pages
        while leaves and gathered + (height - position) * leaves >= size:
            position += max(1, (size - gathered) // leaves)
            gathered = 0
            cuts.append(position)
        gathered += max(0, height - position) * leaves
        position = max(position, height)
        leaves -= 1
    return [cut for cut in cuts if cut < heights[-1]]
