"""Which stored type holds every value of another."""

from __future__ import annotations

from decimal import Context, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midnight.bronze.type_width import grows_in_range_only, holds

WHOLE = {"smallint": 16, "integer": 32, "bigint": 64}
NUMERIC = st.integers(1, 38).flatmap(lambda p: st.integers(0, p).map(lambda s: f"numeric({p},{s})"))
NUMBERS = st.sampled_from(list(WHOLE)) | NUMERIC


def extremes(stored: str) -> tuple[Decimal, Decimal]:
    """The largest value of a type, and the smallest above zero."""
    if stored in WHOLE:
        return Decimal(2 ** (WHOLE[stored] - 1)), Decimal(1)
    precision, scale = map(int, stored.removeprefix("numeric(").removesuffix(")").split(","))
    return Decimal((0, (9,) * precision, -scale)), Decimal((0, (1,), -scale))


@given(NUMBERS, NUMBERS)
def test_a_type_that_holds_another_has_its_extremes(wide: str, narrow: str) -> None:
    (largest, step), (other_largest, other_step) = extremes(wide), extremes(narrow)
    if holds(wide, narrow):
        assert other_largest <= largest
        assert Context(prec=100).remainder(other_step, step) == 0
        assert grows_in_range_only(wide, narrow) == (wide != narrow and step == other_step)
    elif wide not in WHOLE and narrow not in WHOLE:
        # Two scales: digits before the point decide, even where a value would fit.
        assert other_largest > largest or other_step < step


@pytest.mark.parametrize(
    ("wide", "narrow"),
    [
        ("text", "integer"),
        ("bigint", "numeric(4,0)"),
        ("real", "double precision"),
        ("timestamp without time zone", "date"),
    ],
)
def test_types_that_are_not_widened(wide: str, narrow: str) -> None:
    assert not holds(wide, narrow)
    assert not grows_in_range_only(wide, narrow)


def test_more_decimals_are_more_than_a_larger_range() -> None:
    assert holds("double precision", "real")
    assert not grows_in_range_only("double precision", "real")
    assert holds("numeric(12,4)", "numeric(10,2)")
    assert not grows_in_range_only("numeric(12,4)", "numeric(10,2)")
