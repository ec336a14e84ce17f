"""Many conditions (or tables) as one, in a tree that stays shallow.

A chain of 100 conditions nests as deep, and protobuf, in which Spark Connect sends expressions, refuses messages nested
deeper than 100. A balanced tree of a thousand is ten deep.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import and_, or_
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from pyspark.sql import Column

Part = TypeVar("Part")


def all_of(conditions: Sequence[Column]) -> Column:
    """True where every condition is; without any condition always."""
    from pyspark.sql import functions as F

    return balanced(conditions, and_) if conditions else F.lit(True)


def any_of(conditions: Sequence[Column]) -> Column:
    """True where some condition is; without any condition never."""
    from pyspark.sql import functions as F

    return balanced(conditions, or_) if conditions else F.lit(False)


def balanced(parts: Sequence[Part], combine: Callable[[Part, Part], Part]) -> Part:
    """All parts, at least one, combined in their order by an associative operation."""
    level = list(parts)
    while len(level) > 1:
        pairs = [combine(left, right) for left, right in zip(level[::2], level[1::2], strict=False)]
        level = pairs + level[len(pairs) * 2 :]
    return level[0]
