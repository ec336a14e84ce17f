"""Messages for operations of gold models that are not proved equal."""

from __future__ import annotations

from collections.abc import Sequence

from midnight.silver_to_gold.spark_sql.proof import REFUSED, Proof, ProvedList
from midnight.silver_to_gold.spark_sql.types import INTEGRAL, is_decimal

_ALTERNATIVES = "or set MIDNIGHT_ENGINE=spark, or list it under unproved_functions in the contract"
_PATTERN = "write [0-9] for \\d, [A-Za-z0-9_] for \\w and [^\\n] for a dot; end it with \\z, not $"
# Another way to write an operation that is refused.
HINTS = {
    "first": "use min, max, min_by or max_by: the first row is not deterministic",
    "last": "use min, max, min_by or max_by: the last row is not deterministic",
    "first_value": "use min, max, min_by or max_by: the first row is not deterministic",
    "last_value": "use min, max, min_by or max_by: the last row is not deterministic",
    "any_value": "use min or max: the returned row is not deterministic",
    "cast to string": "first CAST it to a DECIMAL with the digits that you need",
    "string": "first CAST it to a DECIMAL with the digits that you need",
    "||": "first CAST the number to a DECIMAL with the digits that you need",
    "concat": "first CAST the number to a DECIMAL with the digits that you need",
    "concat_ws": "first CAST the number to a DECIMAL with the digits that you need",
    "decode": "write CASE",
    "negative (many digits)": "write 0 - x",
    "abs (many digits)": "write CASE WHEN x < 0 THEN 0 - x ELSE x END",
    "pow": "write x * x",
    "power": "write x * x",
    **dict.fromkeys(("rlike", "regexp", "regexp_like", "regexp_replace", "regexp_extract", "regexp_substr"), _PATTERN),
    "approx_count_distinct": "use count(DISTINCT ...)",
    "percentile_approx": "use percentile",
    "approx_percentile": "use percentile",
    "string_agg": "add the order: string_agg(x, ',') WITHIN GROUP (ORDER BY x)",
    "timestampdiff": "use datediff for days, or months_between",
    "sort by": "write ORDER BY",
}


def _hint(operation: str) -> str | None:
    """Return another way to write an operation, by its full name or its function's (``first over (order)``)."""
    in_window = " over (" in operation
    return HINTS.get(operation) or (None if in_window else HINTS.get(operation.split(" ", maxsplit=1)[0]))


def not_proved(shown: str, name: str, types: Sequence[str], proofs: ProvedList) -> str:
    """Return the message for an operation that was not compared on these types."""
    what = f"{name}({', '.join(types)})" if types else name
    equal = [proof.arguments for proof in proofs.of_operation(name) if proof.is_equal]
    same_length = [arguments for arguments in equal if len(arguments) == len(types)]
    hint = HINTS.get(name.split(" ", maxsplit=1)[0])
    if hint is None and same_length:
        # Those that differ in the fewest arguments come first.
        closest = sorted(
            same_length, key=lambda a: sum(x != y.partition("(")[0] for x, y in zip(a, types, strict=True))
        )
        shown_types = " or ".join(f"({', '.join(arguments)})" for arguments in closest[:3])
        hint = f"CAST the arguments: {shown_types} is proved"
    return f"{shown}: {what} is not proved to be the same on Sail and Apache Spark; hint: " + (
        f"{hint}, {_ALTERNATIVES}" if hint else f"rewrite it (docs/spark-sql.md), {_ALTERNATIVES}"
    )


def arithmetic(shown: str, name: str, types: Sequence[str]) -> str:
    """Describe an operation that can overflow, with its types and a CAST to a wider type; empty for others."""
    if name not in ("+", "-", "*", "/", "sum", "abs", "negative") or "double" in types or "float" in types:
        return ""
    if all(kind in INTEGRAL for kind in types):
        wider = "DECIMAL(38, 0)" if "bigint" in types or name == "sum" else "BIGINT"
        return f"{shown} on {' and '.join(types)} (CAST to {wider})"
    if not any(is_decimal(kind) for kind in types):
        return ""
    return f"{shown} on {' and '.join(types)} (CAST to fewer digits, for example DECIMAL(18, 4), or to DOUBLE)"


def known_difference(shown: str, proof: Proof) -> str:
    """Return the message for an operation on which the engines differ."""
    hint = _hint(proof.operation)
    if proof.verdict == REFUSED:
        return f"{shown}: Apache Spark does not accept these types ({proof.note}); hint: CAST the arguments"
    example = f" ({proof.note})" if proof.note else ""
    return f"{shown}: Sail and Apache Spark return different results{example}; hint: " + (
        f"{hint}, {_ALTERNATIVES}" if hint else f"rewrite it (docs/spark-sql.md), {_ALTERNATIVES}"
    )
