"""Types of Spark SQL as Spark prints them (``decimal(10,2)``, ``array<int>``), and rules for the types of results."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

INTEGRAL = ("tinyint", "smallint", "int", "bigint")
NUMERIC_ORDER = (*INTEGRAL, "float", "double")
MAXIMUM_PRECISION = 38
# Spark keeps at least this many decimals when a result has more than 38 digits
# (spark.sql.decimalOperations.allowPrecisionLoss; DecimalType.adjustPrecisionScale).
_KEPT_SCALE = 6
_INTEGRAL_PRECISION = {"tinyint": 3, "smallint": 5, "int": 10, "bigint": 20}
_ALIASES = {
    "byte": "tinyint",
    "short": "smallint",
    "integer": "int",
    "long": "bigint",
    "real": "float",
    "bool": "boolean",
    "text": "string",
    "dec": "decimal",
    "numeric": "decimal",
    "timestamp_ltz": "timestamp",
}
_DECIMAL = re.compile(r"decimal\((\d+),(\d+)\)")
_ARRAY = re.compile(r"array<(.*)>")


def type_name(written: str) -> str:
    """Return a type as Spark prints it, including nested types."""
    text = re.sub(r"\s+", " ", written.strip().lower())
    text = re.sub(r"\s*([(),<>:])\s*", r"\1", text)
    text = re.sub(r"[a-z_]+", lambda word: _ALIASES.get(word[0], word[0]), text)
    text = re.sub(r"decimal\((\d+)\)", r"decimal(\1,0)", text)
    return re.sub(r"decimal(?!\()", "decimal(10,0)", text)


def decimal_of(kind: str) -> tuple[int, int] | None:
    """Return precision and scale of a decimal or whole number; None for other types."""
    if kind in _INTEGRAL_PRECISION:
        return _INTEGRAL_PRECISION[kind], 0
    found = _DECIMAL.fullmatch(kind)
    return (int(found[1]), int(found[2])) if found else None


def is_decimal(kind: str) -> bool:
    return kind.startswith("decimal")


def element_of(kind: str) -> str | None:
    """Type of an array's elements."""
    found = _ARRAY.fullmatch(kind)
    return found[1] if found else None


def struct_fields(kind: str) -> dict[str, str]:
    """Fields of a struct by name in lower case; empty for other types."""
    if not kind.startswith("struct<"):
        return {}
    return {name.casefold(): field for name, _, field in (p.partition(":") for p in split_types(kind[7:-1]))}


def map_types(kind: str) -> tuple[str, str] | None:
    """Types of a map's keys and values."""
    if not kind.startswith("map<"):
        return None
    key, value = split_types(kind[4:-1])
    return key, value


def split_types(text: str) -> list[str]:
    """Split a list of types at the commas outside brackets."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter in "<(") - (letter in ">)")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return parts


def without_precision(kind: str) -> str:
    """Return ``array<decimal>`` for ``array<decimal(10,2)>``, as the proved list names decimals."""
    return re.sub(r"decimal\(\d+,\d+\)", "decimal", kind)


def wider_type(first: str, second: str) -> str | None:
    """Return Spark's common type of two values in COALESCE, CASE or UNION; None when there is none."""
    if first == second or "void" in (first, second):
        return second if first == "void" else first
    if {first, second} == {"date", "timestamp"}:
        return "timestamp"
    return _wider_number(first, second)


def _wider_number(first: str, second: str) -> str | None:
    both = (first, second)
    if any(map(is_decimal, both)):
        left, right = decimal_of(first), decimal_of(second)
        if left is None or right is None:
            return "double" if "float" in both or "double" in both else None
        return _bounded_whole(max(left[0] - left[1], right[0] - right[1]), max(left[1], right[1]))
    if not all(kind in NUMERIC_ORDER for kind in both):
        return None
    if "float" in both and any(kind in INTEGRAL for kind in both):
        return "double"  # a float cannot represent every whole number (ANSI)
    return max(both, key=NUMERIC_ORDER.index)


def compared_type(first: str, second: str) -> str | None:
    """Return the type for comparing two values: ``wider_type``, or the type to which ANSI casts a text."""
    if "string" not in (first, second):
        return wider_type(first, second)
    other = second if first == "string" else first
    if other in INTEGRAL:
        return "bigint"
    if other in ("float", "double") or is_decimal(other):
        return "double"
    return other if other in ("date", "timestamp", "boolean", "string", "binary") else None


def _bounded_whole(whole: int, scale: int) -> str:
    """``DecimalType.boundedPreferIntegralDigits``: integer digits are kept, decimals are dropped."""
    if whole + scale <= MAXIMUM_PRECISION:
        return f"decimal({whole + scale},{scale})"
    return f"decimal({MAXIMUM_PRECISION},{max(0, MAXIMUM_PRECISION - whole)})"


def _adjusted(precision: int, scale: int) -> str:
    if precision <= MAXIMUM_PRECISION:
        return f"decimal({precision},{scale})"
    kept = max(MAXIMUM_PRECISION - (precision - scale), min(scale, _KEPT_SCALE))
    return f"decimal({MAXIMUM_PRECISION},{kept})"


def _exact_result(operator: str, first: str, second: str) -> tuple[int, int] | None:
    """Return precision and scale of an arithmetic result without the limit of 38 digits."""
    left, right = decimal_of(first), decimal_of(second)
    if left is None or right is None:
        return None
    (p1, s1), (p2, s2) = left, right
    if operator in ("+", "-"):
        return max(s1, s2) + max(p1 - s1, p2 - s2) + 1, max(s1, s2)
    if operator == "*":
        return p1 + p2 + 1, s1 + s2
    if operator == "/":
        scale = max(_KEPT_SCALE, s1 + p2 + 1)
        return p1 - s1 + s2 + scale, scale
    return min(p1 - s1, p2 - s2) + max(s1, s2), max(s1, s2)  # %


def loses_precision(operator: str, first: str, second: str) -> bool:
    """Return whether the exact result of two decimals has more than 38 digits, so that Spark reduces its scale."""
    exact = _exact_result(operator, first, second)
    return exact is not None and exact[0] > MAXIMUM_PRECISION


def decimal_result(operator: str, first: str, second: str) -> str | None:
    """Return the type of ``first operator second`` for decimals."""
    exact = _exact_result(operator, first, second)
    return None if exact is None else _adjusted(*exact)


def _arithmetic(operator: str) -> Callable[[Sequence[str]], str | None]:
    def result(types: Sequence[str]) -> str | None:
        return decimal_result(operator, types[0], types[1]) if len(types) == 2 else None

    return result


def _of_decimal(make: Callable[[int, int], tuple[int, int]]) -> Callable[[Sequence[str]], str | None]:
    def result(types: Sequence[str]) -> str | None:
        found = decimal_of(types[0]) if types and is_decimal(types[0]) else None
        if found is None:
            return None
        precision, scale = make(*found)
        return f"decimal({min(precision, MAXIMUM_PRECISION)},{min(scale, MAXIMUM_PRECISION)})"

    return result


def _widest(types: Sequence[str]) -> str | None:
    result: str | None = types[0] if types else None
    for kind in types[1:]:
        result = None if result is None else wider_type(result, kind)
    return result


def _shape(prefix: str, position: int) -> Callable[[Sequence[str]], str | None]:
    return lambda types: f"{prefix}{types[position]}>" if len(types) > position else None


ROUND_RULE = "decimal round"
NO_RULE = "unknown"
# Rules for the type of a result from the types of the arguments, by their names in the proved list.
RESULT_RULES: dict[str, Callable[[Sequence[str]], str | None]] = {
    "=1": lambda types: types[0] if types else None,
    "=2": lambda types: types[1] if len(types) > 1 else None,
    "=3": lambda types: types[2] if len(types) > 2 else None,
    "wider": _widest,
    "array of 1": _shape("array<", 0),
    "array of wider": lambda types: f"array<{_widest(types)}>",
    "element of 1": lambda types: element_of(types[0]) if types else None,
    "decimal +": _arithmetic("+"),
    "decimal *": _arithmetic("*"),
    "decimal /": _arithmetic("/"),
    "decimal %": _arithmetic("%"),
    "decimal sum": _of_decimal(lambda p, s: (p + 10, s)),
    "decimal avg": _of_decimal(lambda p, s: (p + 4, s + 4)),
    "decimal mean": _of_decimal(lambda p, s: (p + 4, s + 4)),
    "decimal whole": _of_decimal(lambda p, s: (p - s + 1, 0)),
    "decimal ceiling": _of_decimal(lambda p, s: (p - s + 1 if s else p, 0)),
    "map of 1 2": lambda types: f"map<{types[0]},{types[1]}>" if len(types) == 2 else None,
}


def result_type(rule: str, types: Sequence[str], literals: Sequence[str | None] = ()) -> str | None:
    """Return the type of a result: by a rule of ``RESULT_RULES``, otherwise ``rule`` itself; None if unknown.

    Args:
        rule: from the proved list.
        types: of the arguments.
        literals: texts of the literal arguments; the digits of ROUND determine its type.
    """
    if rule in ("", NO_RULE):
        return None
    if rule == ROUND_RULE:
        return _rounded(types, literals)
    return RESULT_RULES[rule](types) if rule in RESULT_RULES else rule


def _rounded(types: Sequence[str], literals: Sequence[str | None]) -> str | None:
    found = decimal_of(types[0]) if types and is_decimal(types[0]) else None
    digits = literals[1] if len(literals) > 1 else "0"
    if found is None or digits is None or not re.fullmatch(r"-?\d+", digits):
        return None
    precision, scale = found
    whole = precision - scale + 1
    if int(digits) < 0:
        return f"decimal({min(max(whole, 1 - int(digits)), MAXIMUM_PRECISION)},0)"
    kept = min(scale, int(digits))
    return f"decimal({min(whole + kept, MAXIMUM_PRECISION)},{kept})"
