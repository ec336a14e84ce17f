"""Whether one stored type holds every value of another, unchanged."""

from __future__ import annotations

import re

# Decimal digits before and after the point.
_WHOLE = {"smallint": 5, "integer": 10, "bigint": 19}
_NUMERIC = re.compile(r"numeric\((\d+),(\d+)\)")


def holds(wide: str, narrow: str) -> bool:
    """Whether every value of ``narrow`` is a value of ``wide``, and Spark's cast leaves it unchanged.

    Only numbers: a date as a timestamp would be a value that the later stages do not expect.

    Args:
        wide: a stored type (``midnight.column_types.stored_type``).
        narrow: another one.
    """
    if wide == narrow or (wide, narrow) == ("double precision", "real"):
        return True
    if wide in _WHOLE:
        return narrow in _WHOLE and _WHOLE[narrow] <= _WHOLE[wide]
    outer, inner = _digits(wide), _digits(narrow)
    return outer is not None and inner is not None and all(a >= b for a, b in zip(outer, inner, strict=True))


def grows_in_range_only(wide: str, narrow: str) -> bool:
    """Whether ``wide`` adds larger values to ``narrow``, but none with more decimals.

    A value that fits the narrow type then has the same form in both; one that does not is an exception.
    """
    if wide == narrow or not holds(wide, narrow):
        return False
    outer, inner = _digits(wide), _digits(narrow)
    return outer is not None and inner is not None and outer[1] == inner[1]


def _digits(stored: str) -> tuple[int, int] | None:
    """Digits before and after the point; None for other types."""
    if stored in _WHOLE:
        return _WHOLE[stored], 0
    found = _NUMERIC.fullmatch(stored)
    return None if found is None else (int(found[1]) - int(found[2]), int(found[2]))
