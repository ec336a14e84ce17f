"""Arithmetic: T-SQL's result types, and the same values from DuckDB.

Source: the pages of the operators, "Precision, scale, and length", "+ (string concatenation)", "LIKE".
"""

from __future__ import annotations

from decimal import Decimal

from midnight.gold_to_serving.tsql.conversion import fit_text
from midnight.gold_to_serving.tsql.conversions import convert
from midnight.gold_to_serving.tsql.problems import RefusedError
from midnight.gold_to_serving.tsql.type_rules import arithmetic_decimal, precedence
from midnight.gold_to_serving.tsql.typed import Typed
from midnight.gold_to_serving.tsql.types import (
    DIGITS,
    INT,
    INTEGERS,
    MAX_PRECISION,
    MAXIMUM_BYTES,
    MOMENTS,
    SqlType,
    decimal,
)

_NAMES = {"&": "bitwise AND", "|": "bitwise OR", "^": "bitwise XOR"}


def binary(operator: str, left: Typed, right: Typed, line: int) -> Typed:
    """Translate ``left operator right``.

    Raises:
        RefusedError: T-SQL refuses the types, or a result is not proved.
    """
    texts = [side for side in (left, right) if side.type.is_text]
    if operator == "+" and texts and all(side.type.is_text or side.is_null for side in (left, right)):
        return _concatenation(left, right)
    if operator in "&|^":
        return _bitwise(operator, left, right, line)
    if "datetime" in (left.type.kind, right.type.kind):
        return _moved_datetime(operator, left, right, line)
    for side, other in ((left, right), (right, left)):
        if side.type.kind in MOMENTS:
            raise RefusedError(
                line, f"{side.type} {operator} {other.type}: T-SQL has no such operator", "write DATEADD or DATEDIFF"
            )
        if side.type.is_text and other.type.is_text:
            raise RefusedError(
                line, f"{side.type} {operator} {other.type}: not an operator of texts", "CAST both to numbers"
            )
    left, right = _as_number(left, right, line), _as_number(right, left, line)
    return _arithmetic(operator, left, right, line)


def _moved_datetime(operator: str, left: Typed, right: Typed, line: int) -> Typed:
    """Add or subtract days, which only datetime supports; "+ (Addition)", "- (Subtraction)"."""
    if operator == "+" and left.type.is_integer:
        left, right = right, left
    if operator not in "+-" or left.type.kind != "datetime" or not right.type.is_integer:
        problem = f"{left.type} {operator} {right.type} is not supported"
        raise RefusedError(line, problem, "write DATEADD or DATEDIFF")
    days = f"to_days(CAST({right.sql} AS INTEGER))"
    return Typed(f"tsql.datetime_of(tsql.valid_date({left.sql} {operator} {days}))", left.type)


def _as_number(value: Typed, other: Typed, line: int) -> Typed:
    """Convert a text next to a number to the number's type."""
    if value.type.is_text:
        target = other.type if other.type.kind != "bit" else INT
        if target.kind == "decimal" and value.text is None:
            raise RefusedError(
                line, f"{value.type} with {target}: the text gets the type of the number", "CAST the text to a number"
            )
        return convert(value, target, line)
    if value.is_null:
        return convert(value, other.type if not other.is_null else INT, line)
    if (value.type.kind == "bit" and other.type.kind in ("bit", "null")) or (
        value.type.kind == "bit" and other.type.is_text
    ):
        raise RefusedError(line, "bit has no arithmetic in T-SQL", "CAST it to int")
    if not value.type.is_number and value.type.kind != "bit":
        raise RefusedError(line, f"{value.type} is not a number", "CAST it to a number")
    return value


def _arithmetic(operator: str, left: Typed, right: Typed, line: int) -> Typed:
    kinds = {left.type.kind, right.type.kind}
    if kinds & {"float", "real"}:
        target = max(left.type, right.type, key=precedence)
        if operator == "%":
            raise RefusedError(line, "T-SQL has no % of float", "CAST both to decimal")
        a, b = (convert(side, target, line).sql for side in (left, right))
        divisor = _nonzero(b, right, line) if operator == "/" else b
        return Typed(f"tsql.finite({a} {operator} {divisor})", target)
    if "decimal" in kinds:
        return _decimal(operator, left, right, line)
    target = max(left.type, right.type, key=precedence)
    a, b = (convert(side, target, line).sql for side in (left, right))
    if operator in "/%":
        b = _nonzero(b, right, line)
        return Typed(f"CAST(({a} {'//' if operator == '/' else '%'} {b}) AS {target.duckdb})", target)
    return Typed(f"({a} {operator} {b})", target)


def _nonzero(sql: str, divisor: Typed, line: int) -> str:
    if divisor.constant is not None and not isinstance(divisor.constant, str):
        if divisor.constant == 0:
            raise RefusedError(line, "division by zero", "correct the divisor; for NULL write NULLIF(…, 0)")
        return sql
    if sql.startswith("CASE WHEN tsql.nullif"):
        return sql
    return f"tsql.nonzero({sql})"


def _decimal(operator: str, left: Typed, right: Typed, line: int) -> Typed:
    left, right = (_exact(side, line) for side in (left, right))
    target, full = arithmetic_decimal(operator, left.type, right.type)
    if operator == "/":
        return _decimal_division(left, right, target, line)
    if operator == "%":
        a, b = left.sql, _nonzero(right.sql, right, line)
        return Typed(f"CAST({a} % {b} AS {target.duckdb})", target)
    if operator == "*":
        return _product(left, right, target, full)
    if target.scale < full.scale:
        raise RefusedError(
            line, f"{left.type} {operator} {right.type} loses decimals in T-SQL", "CAST both to fewer digits first"
        )
    wide = decimal(min(full.precision, MAX_PRECISION), full.scale).duckdb
    return Typed(
        f"CAST((CAST({left.sql} AS {wide}) {operator} CAST({right.sql} AS {wide})) AS {target.duckdb})", target
    )


def _exact(value: Typed, line: int) -> Typed:
    """The decimal type of an integer next to a decimal; a constant has as many digits as written."""
    if value.type.kind == "decimal":
        return value
    digits = len(str(abs(value.integer))) if value.integer is not None else DIGITS[value.type.kind]
    return Typed(convert(value, decimal(digits, 0), line).sql, decimal(digits, 0), value.constant)


def unscaled(value: Typed) -> str:
    """The digits of a decimal as a HUGEINT."""
    if value.type.scale == 0:
        return f"CAST({value.sql} AS HUGEINT)"
    if value.type.precision + value.type.scale < MAX_PRECISION:
        return f"CAST({value.sql} * CAST(1{'0' * value.type.scale} AS DECIMAL({value.type.scale + 1},0)) AS HUGEINT)"
    return f"CAST(replace(CAST({value.sql} AS VARCHAR), '.', '') AS HUGEINT)"


def from_unscaled(sql: str, target: SqlType) -> str:
    """The decimal with these digits, a HUGEINT."""
    if target.scale == 0:
        return f"CAST({sql} AS {target.duckdb})"
    unit = f"CAST('0.{'0' * (target.scale - 1)}1' AS DECIMAL({target.scale},{target.scale}))"
    return f"CAST(CAST({sql} AS DECIMAL(38,0)) * {unit} AS {target.duckdb})"


def _power(digits: int) -> str:
    return f"CAST('1{'0' * digits}' AS HUGEINT)"


def _product(left: Typed, right: Typed, target: SqlType, full: SqlType) -> Typed:
    if full.precision <= MAX_PRECISION:
        return Typed(f"CAST(({left.sql} * {right.sql}) AS {target.duckdb})", target)
    digits = f"({unscaled(left)} * {unscaled(right)})"
    if target.scale < full.scale:
        digits = f"tsql.scaled_down({digits}, {_power(full.scale - target.scale)})"
    return Typed(from_unscaled(digits, target), target)


def _decimal_division(left: Typed, right: Typed, target: SqlType, line: int) -> Typed:
    """Divide; T-SQL truncates the quotient at its scale."""
    shift = target.scale - left.type.scale + right.type.scale
    numerator, divisor = unscaled(left), _nonzero(unscaled(right), right, line)
    if shift >= 0:
        quotient = f"({numerator} * {_power(shift)}) // {divisor}"
    else:
        quotient = f"{numerator} // ({divisor} * {_power(-shift)})"
    return Typed(from_unscaled(f"({quotient})", target), target)


def _concatenation(left: Typed, right: Typed) -> Typed:
    """Concatenate; NULL when one text is NULL. The result has at most 8000 bytes unless one of them is MAX."""
    target = concatenated_type([left.type, right.type])
    if left.is_null or right.is_null:
        return Typed("CAST(NULL AS VARCHAR)", target)
    sql = f"({left.sql} || {right.sql})"
    both = [side.type.length for side in (left, right)]
    if None not in both and sum(n for n in both if n is not None) > (target.length or 0):
        return Typed(fit_text(sql, target), target)
    constant = left.text + right.text if left.text is not None and right.text is not None else None
    return Typed(sql, target, constant)


def concatenated_type(types: list[SqlType]) -> SqlType:
    """Return the type of concatenated texts."""
    unicode = any(t.kind in ("nchar", "nvarchar") for t in types)
    kind = "nvarchar" if unicode else "varchar"
    if any(t.length is None for t in types):
        return SqlType(kind, length=None)
    total = sum(t.length or 0 for t in types if t.is_text)
    return SqlType(kind, length=min(max(total, 1), MAXIMUM_BYTES // 2 if unicode else MAXIMUM_BYTES))


def _bitwise(operator: str, left: Typed, right: Typed, line: int) -> Typed:
    for side in (left, right):
        if side.type.kind not in INTEGERS:
            raise RefusedError(line, f"{_NAMES[operator]} of {side.type} is not supported", "CAST both sides to int")
    target = max(left.type, right.type, key=precedence)
    a, b = (convert(side, target, line).sql for side in (left, right))
    return Typed(f"xor({a}, {b})" if operator == "^" else f"({a} {operator} {b})", target)


def unary(operator: str, value: Typed, line: int) -> Typed:
    """Translate ``-x``, ``+x`` and ``~x``.

    Raises:
        RefusedError: not a number.
    """
    if operator == "+":
        return value
    if operator == "~":
        if value.type.kind == "bit":
            return Typed(f"(NOT {value.sql})", value.type)
        if value.type.kind not in INTEGERS or value.type.kind == "tinyint":
            raise RefusedError(line, f"~ of {value.type} is not supported", "CAST it to int")
        return Typed(f"(~{value.sql})", value.type)
    if not value.type.is_number or value.type.kind == "tinyint":
        raise RefusedError(line, f"-x of {value.type} is not supported", "CAST it to int or decimal")
    if value.constant is not None and not isinstance(value.constant, str):
        written = format(-value.constant, "f") if isinstance(value.constant, Decimal) else repr(-value.constant)
        return Typed(f"CAST('{written}' AS {value.type.duckdb})", value.type, -value.constant)
    return Typed(f"(-{value.sql})", value.type)
