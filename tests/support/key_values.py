"""Values of every type that a key may have, extremes included."""

from __future__ import annotations

import datetime as dt
from decimal import Context, Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa

_TEXTS = ["", "'", '"', "a'b\"c", "\\", "%", "ä", "\U0001f600", "z" * 70, "z" * 70 + "a", "\uffff" * 40, "a\x00b"]
_UTC = ZoneInfo("UTC")  # as pyarrow returns it


def _decimals(scale: int, *numbers: int) -> list[Decimal]:
    """Numbers without their decimal point; exact, whatever the precision of Python's decimal context is."""
    return [Decimal(n).scaleb(-scale, Context(prec=50)) for n in numbers]


# Type -> few values, so that random rows and random keys meet often.
KEY_VALUES: dict[pa.DataType, list[Any]] = {
    pa.int16(): [-(2**15), -1, 0, 1, 2**15 - 1],
    pa.int64(): [-(2**63), -(2**53) - 1, -1, 0, 1, 2, 3, 2**53, 2**53 + 1, 2**63 - 1],
    pa.bool_(): [False, True],
    pa.string(): [*_TEXTS, "4f9a1b2c-0000-4000-8000-000000000001", "4F9A1B2C-0000-4000-8000-000000000001"],
    pa.date32(): [dt.date(1, 1, 1), dt.date(1582, 10, 10), dt.date(1970, 1, 1), dt.date(9999, 12, 31)],
    pa.timestamp("us", tz="UTC"): [
        dt.datetime(1, 1, 1, tzinfo=_UTC),
        dt.datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=_UTC),
        dt.datetime(2013, 1, 1, 0, 0, 0, 1, tzinfo=_UTC),
        dt.datetime(2013, 1, 1, 0, 0, 0, 2, tzinfo=_UTC),
        dt.datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=_UTC),
    ],
    pa.decimal128(9, 2): _decimals(2, -999999999, -1, 0, 1, 100, 999999999),
    pa.decimal128(38, 4): _decimals(4, -(10**38) + 1, -1, 0, 1, 10**37 + 1, 10**37 + 2, 10**38 - 1),
}
KEY_TYPES = list(KEY_VALUES)
