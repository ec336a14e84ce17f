"""The table on which expressions are compared: three columns of each type, over all pairs of edge values."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa

_INF, _NAN = float("inf"), float("nan")

_MORE_DOUBLES = (1.005, -1.2345678901234567e19, 1.25e-7, 8.5)

# A shortened run uses the first values of a type.
VALUES: dict[str, list[Any]] = {
    "boolean": [True, False, None],
    "smallint": [1, None, -1, 0, 32767, -32768, 7],
    "int": [1, None, -7, 0, 2**31 - 1, -(2**31), 59, 2024, 100],
    "bigint": [1, None, -7, 0, 2**63 - 1, -(2**63), 2**31, 10_000_000_000, 253402300800],
    "float": [1.5, None, -2.5, 0.0, -0.0, 0.1, _NAN, _INF, -_INF, 1e7, 3.4028234663852886e38, 1.25e-5, 3.0],
    "double": [
        1.5,
        None,
        -2.5,
        0.0,
        -0.0,
        0.1,
        _NAN,
        _INF,
        -_INF,
        1e7,
        1.7976931348623157e308,
        1.25e-5,
        3.0,
        1e20,
        *_MORE_DOUBLES,
    ],
    "decimal(10,2)": ["1.00", None, "-2.50", "0.00", "19.99", "99999999.99", "-99999999.99", "0.01", "3.50"],
    "decimal(18,6)": ["1.000000", None, "-2.500000", "0.000000", "999999999999.999999", "0.000001", "3.333333"],
    "decimal(38,18)": ["1", None, "-2.5", "0", "12.000000000000000001", "9" * 20 + ".5", "1e-18", "19.99", "250"],
    "decimal(38,0)": ["1", None, "-7", "0", "9" * 38, "-" + "9" * 38, "10000000000"],
    "decimal(5,0)": ["1", None, "-7", "0", "99999", "-99999", "5"],
    "string": [
        *("abc", None, "", "A", "abc ", "  abc", "12", "-3", " 12 ", "1.5", "1e3", "true", "2024-02-29", "2024-02-30"),
        *("2024-02-29 23:59:59.123456", "ÄÖü ß", "😀x", "e\u0301", "a,b,,c", "a%b_c\\d", "NaN", "x\ty\n", "9999-12-31"),
        *('{"a": 1, "b": [1, 2], "c": {"d": "x"}}', "0001-01-01", "hello World", "99999999999", "İı"),
        *("0.123456789012345678", "-1.005"),
    ],
    "binary": [b"abc", None, b"", b"\x00\xff", b"abd"],
    "date": [
        *(date(2024, 2, 29), None, date(1970, 1, 1), date(2024, 12, 29), date(2024, 12, 30), date(2023, 1, 1)),
        *(date(1, 1, 1), date(9999, 12, 31), date(1900, 3, 1), date(2024, 3, 31), date(1582, 10, 15), date(2021, 1, 3)),
    ],
    "timestamp": [
        *(datetime(2024, 2, 29, 23, 59, 59, 999999), None, datetime(1970, 1, 1), datetime(1969, 12, 31, 23, 59, 59, 5)),
        *(datetime(2024, 3, 10, 7, 30), datetime(2024, 11, 3, 5, 30), datetime(1, 1, 1), datetime(2024, 12, 30, 12)),
        *(datetime(9999, 12, 31, 23, 59, 59, 999999), datetime(1900, 1, 1, 0, 0, 1), datetime(2024, 3, 31, 1, 15)),
    ],
    "array<int>": [[3, 1, 2], None, [], [1, None, 1], [-5]],
    "array<string>": [["b", "a"], None, [], ["x", None, "", "x"], ["Ä", "ä"]],
    "array<double>": [[1.5, -2.5], None, [], [_NAN, 0.0, None], [-0.0, _INF]],
    "array<decimal(10,2)>": [["1.00", "2.50"], None, [], ["-0.01", None]],
    "array<date>": [[date(2024, 2, 29), date(1970, 1, 1)], None, [], [None]],
    "map<string,int>": [[("a", 1), ("b", 2)], None, [], [("x", None)]],
    "struct<a:int,b:string>": [{"a": 1, "b": "x"}, None, {"a": None, "b": None}],
}
_ARROW = {
    "boolean": pa.bool_(),
    "smallint": pa.int16(),
    "int": pa.int32(),
    "bigint": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "string": pa.string(),
    "binary": pa.binary(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", "UTC"),
    "map<string,int>": pa.map_(pa.string(), pa.int32()),
    "struct<a:int,b:string>": pa.struct([("a", pa.int32()), ("b", pa.string())]),
}
SIDES = ("a", "b", "c")
WIDTH = max(len(values) for values in VALUES.values())


def column_name(side: str, kind: str) -> str:
    """``a_decimal_10_2`` for the first column of decimal(10,2)."""
    return f"{side}_{re.sub('[^a-z0-9]+', '_', kind).strip('_')}"


def columns() -> dict[str, str]:
    """Return the columns of the grid with their types."""
    found = {column_name(side, kind): kind for side in SIDES for kind in VALUES}
    return {"id": "int", "i": "int", "j": "int", **found}


def arrow_type(kind: str) -> pa.DataType:
    decimal = re.fullmatch(r"decimal\((\d+),(\d+)\)", kind)
    if decimal:
        return pa.decimal128(int(decimal[1]), int(decimal[2]))
    if kind.startswith("array<"):
        return pa.list_(arrow_type(kind[6:-1]))
    return _ARROW[kind]


def _typed(kind: str, value: Any) -> Any:
    if isinstance(value, list) and not kind.startswith("map"):
        return [_typed(kind[6:-1], item) for item in value]
    if "decimal" in kind and value is not None and not isinstance(value, list):
        scale = int(re.findall(r"\d+", kind)[1])
        return Decimal(value).quantize(Decimal(1).scaleb(-scale), context=_WIDE)
    if kind == "timestamp" and value is not None:
        return value.replace(tzinfo=UTC)
    return value


_WIDE = __import__("decimal").Context(prec=60)


def grid_table() -> pa.Table:
    """Return the grid: row ``id = i * WIDTH + j`` has value i of each type in column a, value j in column b."""
    rows = [(i, j) for i in range(WIDTH) for j in range(WIDTH)]
    data: dict[str, Any] = {
        "id": pa.array(range(len(rows)), pa.int32()),
        "i": pa.array([i for i, _ in rows], pa.int32()),
        "j": pa.array([j for _, j in rows], pa.int32()),
    }
    for kind, raw in VALUES.items():
        values = [_typed(kind, value) for value in raw]
        for side in SIDES:
            picked = {"a": [i for i, _ in rows], "b": [j for _, j in rows], "c": [i + 2 * j for i, j in rows]}[side]
            data[column_name(side, kind)] = pa.array([values[p % len(values)] for p in picked], arrow_type(kind))
    return pa.table(data)


def rows_of(kinds: list[str]) -> str:
    """Return the condition for the rows that have each combination of values of up to two columns once."""
    sizes = [len(VALUES[kind]) for kind in kinds[:2]] + [1, 1]
    return f"i < {sizes[0]} AND j < {sizes[1] if len(kinds) < 3 else WIDTH}"
