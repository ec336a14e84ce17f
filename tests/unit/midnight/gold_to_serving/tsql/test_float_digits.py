"""Floats as decimals: the exact value, rounded half away from zero, or an error where T-SQL's is not documented."""

from __future__ import annotations

import math
from decimal import ROUND_DOWN, ROUND_HALF_UP, Context, Decimal

import duckdb
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from midnight.gold_to_serving.tsql.float_digits import float_to_decimal, round_float
from midnight.gold_to_serving.tsql.types import decimal

EXACT = Context(prec=400)
# typical values, and all others
FLOATS = st.one_of(
    st.floats(-1e15, 1e15),
    st.integers(-(10**6), 10**6).map(lambda n: n / 1000),
    st.integers(-(10**6), 10**6).map(lambda n: n / 8),
)


def rounded(number: float, places: int, rounding: str = ROUND_HALF_UP) -> Decimal:
    return Decimal(number).quantize(Decimal(1).scaleb(-places), rounding=rounding, context=EXACT)


def answer(sql: str) -> Decimal | float | None:
    """The value; None where the query fails because its result is not proved."""
    try:
        return duckdb.execute(f"SELECT {sql}").fetchall()[0][0]
    except duckdb.InvalidInputException as error:
        if "not proved" not in str(error):
            raise
        return None


@settings(max_examples=60)
@given(FLOATS, st.integers(0, 6))
@example(2.675, 2)
@example(1.335, 2)
@example(-0.04, 1)
@example(123456789012345680.0, 4)
def test_a_float_is_rounded_by_its_exact_value_or_not_at_all(number, places):
    found = answer(float_to_decimal(f"CAST({number!r} AS DOUBLE)", decimal(38, places), attempt=False))
    assert found in (None, rounded(number, places))


@settings(max_examples=60)
@given(FLOATS, st.integers(-2, 6), st.booleans())
@example(1.15, 2, True)
@example(0.1, 1, True)
@example(2.5, 0, False)
def test_round_of_a_float(number, places, cut_off):
    found = answer(round_float(f"CAST({number!r} AS DOUBLE)", places, cut_off=cut_off))
    expected = float(rounded(number, places, ROUND_DOWN if cut_off else ROUND_HALF_UP))
    assert found is None or math.isclose(found, expected, rel_tol=1e-15, abs_tol=0)


def test_only_numbers_just_below_the_middle_are_not_proved():
    """Those just above it are rounded up by their exact value and by their text alike."""
    numbers = [n / 100 for n in range(105, 500, 10)]
    casts = {x: float_to_decimal(f"CAST({x!r} AS DOUBLE)", decimal(9, 1), attempt=False) for x in numbers}
    below = {x for x in numbers if Decimal(x) < Decimal(str(x))}
    assert below
    assert {x for x in numbers if answer(casts[x]) is None} == below


@pytest.mark.parametrize("attempt", [True, False])
def test_a_number_that_does_not_fit(attempt):
    sql = f"SELECT {float_to_decimal('CAST(1e300 AS DOUBLE)', decimal(9, 2), attempt=attempt)}"
    if attempt:
        assert duckdb.execute(sql).fetchall() == [(None,)]
    else:
        with pytest.raises(duckdb.Error, match="Arithmetic overflow"):
            duckdb.execute(sql)
