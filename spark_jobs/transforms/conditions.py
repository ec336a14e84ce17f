"""Combines many conditions (or tables) into one, as a balanced tree.

A chain of 100 conditions is nested 100 levels deep, and protobuf, in which Spark Connect sends expressions, refuses
messages nested deeper than 100. A balanced tree of a thousand conditions has ten levels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import and_, or_
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from pyspark.sql import Column

Part = TypeVar("Part")


def all_of(conditions: Sequence[Column]) -> Column:
    """True if every condition is; always true without conditions."""
    from pyspark.sql import functions as F

    return balanced(conditions, and_) if conditions else F.lit(True)


def any_of(conditions: Sequence[Column]) -> Column:
    """True if any condition is; never true without conditions."""
    from pyspark.sql import functions as F

    return balanced(conditions, or_) if conditions else F.lit(False)


def balanced(parts: Sequence[Part], combine: Callable[[Part, Part], Part]) -> Part:
    """All parts (at least one), combined in order by an associative operation."""
    level = list(parts)
    while len(level) > 1:
        pairs = [combine(left, right) for left, right in zip(level[::2], level[1::2], strict=False)]
        level = pairs + level[len(pairs) * 2 :]
    return level[0]
