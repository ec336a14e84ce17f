"""Expressions that Sail gets in another form, so that its answer equals Apache Spark's. Each is part of the proof."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from midnight.spark_sql.types import INTEGRAL, decimal_of, is_decimal, result_type

Template = str | None
Rewrite = Callable[[Sequence[str]], Template]


def _checked_whole(operator: str) -> Rewrite:
    """Sail wraps around where a whole number overflows; Spark stops. A cast from a wider type stops in both."""

    def rewrite(types: Sequence[str]) -> Template:
        if not all(kind in INTEGRAL for kind in types):
            return None
        result = max(types, key=INTEGRAL.index)
        wide = "DECIMAL(38, 0)" if operator == "*" else "DECIMAL(20, 0)"
        wide = wide if result == "bigint" else "BIGINT"
        return f"CAST((CAST({{0}} AS {wide}) {operator} CAST({{1}} AS {wide})) AS {result.upper()})"

    return rewrite


def _always(template: str) -> Rewrite:
    return lambda _types: template


# Both arguments are brought to one type by a CAST, since Sail chooses another one than Spark.
COERCED = {
    *("=", "<>", "<", "<=", ">", ">=", "<=>", "is distinct from", "between", "in", "case =", "nullif"),
    *("case", "coalesce", "nvl", "ifnull", "greatest", "least", "array"),
}

REWRITES: dict[str, Rewrite] = {
    # Sail takes arrays for texts here, and gives the wider type of both arguments.
    "nvl": _always("coalesce({0}, {1})"),
    "ifnull": _always("coalesce({0}, {1})"),
    "nvl2": _always("CASE WHEN {0} IS NOT NULL THEN {1} ELSE {2} END"),
    "nullif": _always("CASE WHEN {0} = {1} THEN NULL ELSE {0} END"),
    "+": _checked_whole("+"),
    "-": _checked_whole("-"),
    "*": _checked_whole("*"),
}


def rewrite_for_sail(operation: str, types: Sequence[str], literals: Sequence[str | None] = ()) -> Template:
    """The form for Sail, ``{0}`` being the first argument; None where Sail's own answer is Spark's."""
    rewrite = REWRITES.get(operation)
    return None if rewrite is None else rewrite(types)
