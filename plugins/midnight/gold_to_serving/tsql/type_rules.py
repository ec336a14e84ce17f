"""Rules for the result type of operators, CASE and UNION.

Source: "Data type precedence", "Precision, scale, and length", "Data type conversion".
"""

from __future__ import annotations

from collections.abc import Callable

from midnight.gold_to_serving.tsql.types import (
    DIGITS,
    MAX_PRECISION,
    MAXIMUM_BYTES,
    MOMENTS,
    NULL,
    NUMBERS,
    UNICODE,
    SqlType,
    decimal,
)

# Lowest first; an operator converts the operand of lower precedence.
_PRECEDENCE = (
    "null",
    "varbinary",
    "char",
    "varchar",
    "nchar",
    "nvarchar",
    "uniqueidentifier",
    "bit",
    "tinyint",
    "smallint",
    "int",
    "bigint",
    "decimal",
    "real",
    "float",
    "time",
    "date",
    "datetime",
    "datetime2",
    "datetimeoffset",
)


def as_decimal(type_: SqlType) -> SqlType:
    """Return the decimal type to which an integer next to a decimal is converted."""
    return type_ if type_.kind == "decimal" else decimal(DIGITS[type_.kind], 0)


def precedence(type_: SqlType) -> int:
    """Return the rank of a type; the operand of lower rank is converted."""
    return _PRECEDENCE.index(type_.kind)


def highest(types: list[SqlType]) -> SqlType | None:
    """Return the type of CASE, COALESCE, IIF, UNION …: highest precedence, wide enough for all; None if incompatible.

    Decimals keep all digits before and after the point. Texts get the maximum length.
    """
    known = [t for t in types if t.kind != "null"]
    if not known:
        return NULL
    top = max(known, key=precedence)
    if any(not converts_implicitly(t, top) for t in known):
        return None
    widen = _WIDEN.get("text" if top.is_text else top.kind)
    return widen(top.kind, known) if widen is not None else top


def _widest(kind: str, types: list[SqlType]) -> SqlType | None:
    return widest_decimal([as_decimal(t) for t in types if t.kind == kind or t.kind in DIGITS])


def _most_precise(kind: str, types: list[SqlType]) -> SqlType:
    return SqlType(kind, scale=max(_fraction_digits(t) for t in types))


def _longest_binary(kind: str, types: list[SqlType]) -> SqlType:
    lengths = [t.length for t in types]
    return SqlType(kind, length=None if None in lengths else max(n for n in lengths if n is not None))


def _fraction_digits(type_: SqlType) -> int:
    return {"date": 0, "datetime": 3}.get(type_.kind, 7 if type_.is_text else type_.scale)


def widest_decimal(types: list[SqlType]) -> SqlType | None:
    """Return a type with enough digits for all; None above 38 digits, where T-SQL's truncation is not documented."""
    scale = max(t.scale for t in types)
    whole = max(t.precision - t.scale for t in types)
    return decimal(whole + scale, scale) if whole + scale <= MAX_PRECISION else None


def _longest_text(kind: str, types: list[SqlType]) -> SqlType:
    fixed = all(t.kind in ("char", "nchar") for t in types)
    lengths = [t.length for t in types if t.is_text]
    unicode = kind in UNICODE
    if None in lengths:
        return SqlType("nvarchar" if unicode else "varchar", length=None)
    name = ("nchar" if unicode else "char") if fixed else ("nvarchar" if unicode else "varchar")
    longest = max(n for n in lengths if n is not None)
    return SqlType(name, length=min(longest, MAXIMUM_BYTES // 2 if unicode else MAXIMUM_BYTES))


_WIDEN: dict[str, Callable[[str, list[SqlType]], SqlType | None]] = {
    "decimal": _widest,
    "text": _longest_text,
    "varbinary": _longest_binary,
    "time": _most_precise,
    "datetime2": _most_precise,
    "datetimeoffset": _most_precise,
}


def converts_implicitly(source: SqlType, target: SqlType) -> bool:
    """Whether T-SQL converts without CAST ("Data type conversion", chart), in the cases that are translated."""
    if source.kind in ("null", target.kind) or (source.is_text and target.is_text):
        return True
    numbers = (*NUMBERS, "bit")
    if source.kind in numbers:
        return target.kind in numbers or target.is_text
    if source.is_text:
        return target.kind in (*numbers, *MOMENTS, "datetimeoffset", "uniqueidentifier")
    if source.kind in MOMENTS:
        return target.is_text or (target.kind in MOMENTS and {source.kind, target.kind} != {"date", "time"})
    if source.kind == "uniqueidentifier":
        return target.is_text
    return False


def arithmetic_decimal(operator: str, left: SqlType, right: SqlType) -> tuple[SqlType, SqlType]:
    """Return the type of a decimal result, and its type without the limit of 38 digits.

    Source: "Precision, scale, and length", with the three cases of results over 38 digits.
    """
    p1, s1, p2, s2 = left.precision, left.scale, right.precision, right.scale
    if operator in "+-":
        scale, precision = max(s1, s2), max(s1, s2) + max(p1 - s1, p2 - s2) + 1
        if precision > MAX_PRECISION:
            whole = max(p1 - s1, p2 - s2)
            return decimal(MAX_PRECISION, max(min(scale, MAX_PRECISION - whole), 0)), SqlType(
                "decimal", precision, scale
            )
        return decimal(precision, scale), decimal(precision, scale)
    if operator == "%":
        scale, precision = max(s1, s2), min(p1 - s1, p2 - s2) + max(s1, s2)
    elif operator == "*":
        scale, precision = s1 + s2, p1 + p2 + 1
    else:
        scale = max(6, s1 + p2 + 1)
        precision = p1 - s1 + s2 + scale
    exact = SqlType("decimal", precision, scale)
    if precision <= MAX_PRECISION:
        return exact, exact
    whole = precision - scale
    return decimal(MAX_PRECISION, min(scale, max(MAX_PRECISION - whole, 6))), exact
