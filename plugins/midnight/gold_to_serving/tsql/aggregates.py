"""Aggregate functions with their result types in T-SQL. Source: "Aggregate functions (Transact-SQL)"."""

from __future__ import annotations

from collections.abc import Callable

from midnight.gold_to_serving.tsql.comparisons import equality_key, order_key
from midnight.gold_to_serving.tsql.construct import Construct, FunctionCall
from midnight.gold_to_serving.tsql.operators import from_unscaled, unscaled
from midnight.gold_to_serving.tsql.typed import Typed
from midnight.gold_to_serving.tsql.types import (
    APPROXIMATE,
    BIGINT,
    FLOAT,
    INT,
    INTEGERS,
    MAX_PRECISION,
    MAXIMUM_BYTES,
    UNICODE,
    decimal,
    nvarchar,
    varchar,
)

WINDOW_ONLY = frozenset(
    {
        "ROW_NUMBER",
        "RANK",
        "DENSE_RANK",
        "NTILE",
        "LAG",
        "LEAD",
        "FIRST_VALUE",
        "LAST_VALUE",
        "PERCENT_RANK",
        "CUME_DIST",
    }
    | {"PERCENTILE_CONT", "PERCENTILE_DISC"}
)
Over = Callable[[str], str]


def aggregate_sql(f: FunctionCall, over: Over) -> Typed:
    """Translate an aggregate to DuckDB's SQL.

    Args:
        f: the call; its arguments are translated row by row.
        over: puts ``OVER (…)`` after each DuckDB function, or nothing.

    Raises:
        RefusedError: a type that T-SQL does not aggregate, or that is not proved.
    """
    return _AGGREGATES[f.node.name](f, over)


def _operand(f: FunctionCall) -> Typed:
    value = f.value(0)
    if value.is_null:
        raise f.refused(f"{f.node.name}(NULL) is an error in T-SQL", "write a typed value")
    return value


def _distinct(f: FunctionCall) -> str:
    return "DISTINCT " if f.node.distinct else ""


def _count(f: FunctionCall, over: Over) -> Typed:
    type_ = BIGINT if f.node.name == "COUNT_BIG" else INT
    if type(f.node.arguments[0]).__name__ == "Star":
        counted = "*"
    else:
        value = _operand(f)
        counted = _distinct(f) + (equality_key(value) if f.node.distinct else value.sql)
    return Typed(f"CAST({over(f'count({counted})')} AS {type_.duckdb})", type_)


def _number(f: FunctionCall) -> Typed:
    value = _operand(f)
    if value.type.kind == "bit":
        raise f.refused(f"{f.node.name}: T-SQL does not aggregate BIT", f"write {f.node.name}(CAST(x AS int))")
    if not value.type.is_number:
        raise f.refused(f"{f.node.name} of {value.type} is an error in T-SQL", "CAST it to a number")
    return value


def _sum(f: FunctionCall, over: Over) -> Typed:
    value = _number(f)
    total = over(f"sum({_distinct(f)}{_wide(value)})")
    if value.type.kind in APPROXIMATE:
        return Typed(f"tsql.finite({total})", FLOAT)
    if value.type.kind == "decimal":
        type_ = decimal(MAX_PRECISION, value.type.scale)
        largest = "9" * (MAX_PRECISION - type_.scale) + ("." + "9" * type_.scale if type_.scale else "")
        return Typed(f"tsql.within({total}, CAST('{largest}' AS {type_.duckdb}))", type_)
    type_ = BIGINT if value.type.kind == "bigint" else INT
    return Typed(f"CAST({total} AS {type_.duckdb})", type_)


def _wide(value: Typed) -> str:
    return f"CAST({value.sql} AS DOUBLE)" if value.type.kind == "real" else value.sql


def _avg(f: FunctionCall, over: Over) -> Typed:
    """Truncate the mean: integers to integers, decimals to at least six decimals, as a division does."""
    value = _number(f)
    distinct = _distinct(f)
    if value.type.kind in APPROXIMATE:
        return Typed(over(f"avg({distinct}{_wide(value)})"), FLOAT)
    total, count = over(f"sum({distinct}{value.sql})"), over(f"count({distinct}{value.sql})")
    if value.type.kind in INTEGERS:
        type_ = BIGINT if value.type.kind == "bigint" else INT
        return Typed(f"CAST((CAST({total} AS {type_.duckdb}) // nullif({count}, 0)) AS {type_.duckdb})", type_)
    type_ = decimal(MAX_PRECISION, max(value.type.scale, 6))
    digits = unscaled(Typed(total, decimal(MAX_PRECISION, value.type.scale)))
    power = f"CAST('1{'0' * (type_.scale - value.type.scale)}' AS HUGEINT)"
    return Typed(from_unscaled(f"(({digits} * {power}) // nullif({count}, 0))", type_), type_)


def _extreme(f: FunctionCall, over: Over) -> Typed:
    value = _operand(f)
    kind = value.type.kind
    if kind == "bit":
        raise f.refused(f"{f.node.name}: T-SQL does not aggregate BIT", f"write {f.node.name}(CAST(x AS int))")
    if kind in ("varbinary", "uniqueidentifier", "datetimeoffset"):
        raise f.refused(f"{f.node.name} of {value.type} is not supported", "CAST it to a text or a number")
    name = f.node.name.lower()
    if value.type.is_text:
        return Typed(over(f"arg_{name}({value.sql}, {order_key(value)})"), value.type)
    return Typed(over(f"{name}({value.sql})"), value.type)


def _spread(f: FunctionCall, over: Over) -> Typed:
    name = {"STDEV": "stddev_samp", "STDEVP": "stddev_pop", "VAR": "var_samp", "VARP": "var_pop"}[f.node.name]
    value = _number(f)
    return Typed(over(f"{name}({_distinct(f)}CAST({value.sql} AS DOUBLE))"), FLOAT)


def _string_agg(f: FunctionCall, over: Over) -> Typed:
    """NULL is ignored. Unless the texts are MAX, the result has at most 8000 bytes."""
    text, separator = f.text(0), f.text(1)
    if separator.text is None:
        raise f.refused("STRING_AGG: the separator must be a constant", "write STRING_AGG(x, ', ')")
    if not f.node.within:
        hint = "write STRING_AGG(x, ', ') WITHIN GROUP (ORDER BY x)"
        raise f.refused("STRING_AGG without an order is not deterministic", hint)
    order = f.expressions.order_by(f.node.within, f.scope)  # type: ignore[attr-defined]
    joined = over(f"string_agg({text.sql}, {separator.sql} ORDER BY {order})")
    unicode = text.type.kind in UNICODE
    if text.type.length is None:
        return Typed(joined, nvarchar(None) if unicode else varchar(None))
    type_ = nvarchar(MAXIMUM_BYTES // 2) if unicode else varchar(MAXIMUM_BYTES)
    limit = MAXIMUM_BYTES if not unicode else MAXIMUM_BYTES // 2
    return Typed(f"tsql.at_most({joined}, {limit})", type_)


_AGGREGATES: dict[str, Callable[[FunctionCall, Over], Typed]] = {
    "COUNT": _count,
    "COUNT_BIG": _count,
    "SUM": _sum,
    "AVG": _avg,
    "MIN": _extreme,
    "MAX": _extreme,
    "STDEV": _spread,
    "STDEVP": _spread,
    "VAR": _spread,
    "VARP": _spread,
    "STRING_AGG": _string_agg,
}
AGGREGATES = frozenset({*_AGGREGATES, "GROUPING", "GROUPING_ID"})


def _row(name: str, signature: str, example: str) -> Construct:
    page = f"functions/{name.lower().replace('_', '-')}-transact-sql"
    most = {"STRING_AGG": 2, "GROUPING_ID": 32}.get(name, 1)
    return Construct(name, "Aggregates", signature, example, page, arguments=(2 if name == "STRING_AGG" else 1, most))


AGGREGATE_FUNCTIONS = (
    _row("COUNT", "COUNT(*), COUNT([DISTINCT] x) → int", "trailing blanks do not make a text different"),
    _row("COUNT_BIG", "COUNT_BIG(*), COUNT_BIG([DISTINCT] x) → bigint", "0 without rows"),
    _row(
        "SUM",
        "SUM([DISTINCT] number): int, bigint, decimal(38,s) or float; an overflow is an error",
        "SUM of 1 and NULL = 1",
    ),
    _row(
        "AVG", "AVG([DISTINCT] number): int (truncated), bigint, decimal(38, 6 or more) or float", "AVG of 1 and 2 = 1"
    ),
    _row("MIN", "MIN(x) of numbers, texts and dates", "NULL is ignored"),
    _row("MAX", "MAX(x) of numbers, texts and dates", "NULL is ignored"),
    _row("STDEV", "STDEV(number) → float", "NULL for one row"),
    _row("STDEVP", "STDEVP(number) → float", "0 for one row"),
    _row("VAR", "VAR(number) → float", "NULL for one row"),
    _row("VARP", "VARP(number) → float", "0 for one row"),
    _row("STRING_AGG", "STRING_AGG(x, 'separator') WITHIN GROUP (ORDER BY y)", "NULL is ignored"),
    _row("GROUPING", "GROUPING(x) of an expression of GROUP BY → tinyint", "1 in a subtotal"),
    _row("GROUPING_ID", "GROUPING_ID(x, y, …) → int", "GROUPING_ID(a, b) = 1 where b is aggregated"),
)
