"""Which rows of a file have one of some keys: their places, which are few where the keys are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


@dataclass(frozen=True)
class KeyedRows:
    """The rows of one row group that have one of the keys.

    Args:
        positions: of the rows in the row group, ascending.
        numbers: of their keys in the set that was searched (``KeySet.numbers``).
    """

    positions: np.ndarray
    numbers: np.ndarray

    def others(self, rows: int) -> pa.Array:
        """For each row of the row group, of which there are ``rows``, whether it has none of the keys."""
        import numpy as np
        import pyarrow as pa

        others = np.ones(rows, bool)
        others[self.positions] = False
        return pa.array(others)


@dataclass(frozen=True)
class Found:
    """The keys of a set that a file has.

    Args:
        groups: row group -> its rows that have one; without the row groups that have none.
    """

    groups: Mapping[int, KeyedRows]

    @property
    def rows(self) -> int:
        """Number of rows that have one."""
        return sum(len(group.numbers) for group in self.groups.values())

    @cached_property
    def numbers(self) -> np.ndarray:
        """The numbers of these rows' keys in the set."""
        import numpy as np

        return np.concatenate([group.numbers for group in self.groups.values()])

    def among(self, wanted: np.ndarray) -> Found | None:
        """What the file has of some of the keys; None if it has none of them.

        Args:
            wanted: for each key of the set whether it is one of them.
        """
        groups = {}
        for place, group in self.groups.items():
            keep = wanted[group.numbers]
            if keep.any():
                groups[place] = group if keep.all() else KeyedRows(group.positions[keep], group.numbers[keep])
        return Found(groups) if groups else None
