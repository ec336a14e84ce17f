"""Literals: their types, and how the proved list names them as arguments."""

from __future__ import annotations

import re
from typing import Any

from midnight.silver_to_gold.spark_sql.types import without_precision

PORTABLE_PATTERN = "portable pattern"
_KINDS_OF_TEXT = (
    (re.compile(r"\d{4}-\d\d-\d\d"), "date text"),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{1,6})?"), "timestamp text"),
    (re.compile(r"-?\d{1,9}"), "whole number text"),
    (re.compile(r"-?\d{1,9}\.\d{1,6}"), "decimal text"),
)
# Regular expressions that are equal in Java and Rust: no class by a letter (Rust's \\d has the digits of all scripts),
# no dot and no dollar (they have other line ends), no flags and no look-around.
_PORTABLE_PATTERN = re.compile(
    r"\^?(?:[A-Za-z0-9 _,;:@#%&=/<>!~\"'-]|\[\^?[A-Za-z0-9 _,;:@#%&=/.+*()-]+\]|\((?!\?)|[)|]|(?<=.)[+*?]"
    r"|\{\d+(?:,\d*)?\}|\\[.+*?()\[\]{}|^$/-])*"
)
_INT_MAXIMUM, _BIGINT_MAXIMUM = 2**31 - 1, 2**63 - 1


def number_type(text: str) -> str | None:
    """Return the type of a number: ``1`` int, ``1.50`` decimal(3,2), ``1e3`` double; None for too many digits."""
    if "e" in text.lower():
        return "double"
    whole, point, fraction = text.partition(".")
    if point:
        digits = f"{whole}{fraction}".lstrip("0")
        precision = max(len(digits), len(fraction))
        return f"decimal({precision},{len(fraction)})" if precision <= 38 else None
    value = int(text)
    if value <= _INT_MAXIMUM:
        return "int"
    if value <= _BIGINT_MAXIMUM:
        return "bigint"
    return f"decimal({len(str(value))},0)" if len(str(value)) <= 38 else None


def literal_text(node: Any) -> str | None:
    """Return a literal as in the proved list: ``2``, ``-1``, ``'MONTH'``, ``true``; None for anything else."""
    from sqlglot import exp

    node = node.unnest() if isinstance(node, exp.Paren) else node
    if isinstance(node, exp.Literal):
        return f"'{node.this}'" if node.is_string else node.this
    if isinstance(node, exp.Boolean):
        return str(node.this).lower()
    if isinstance(node, exp.Neg) and isinstance(node.this, exp.Literal) and not node.this.is_string:
        return f"-{node.this.this}"
    return None


def stands_as(kind: str, literal: str | None) -> list[str]:
    """Return the names of an argument in the proved list, the most specific first."""
    general = without_precision(kind)
    if literal is None:
        return [general]
    if literal.startswith("'"):
        text = literal[1:-1]
        special = [name for pattern, name in _KINDS_OF_TEXT if pattern.fullmatch(text)]
        portable = [PORTABLE_PATTERN] if _PORTABLE_PATTERN.fullmatch(text) else []
        return [literal, *special, "text", *portable, general]
    kind_of_literal = "negative number" if literal.startswith("-") else "number" if literal[0].isdigit() else "truth"
    return [literal, kind_of_literal, general]


def literal_decimal(literal: str | None, kind: str) -> str | None:
    """Return the decimal type of a whole number literal in arithmetic with decimals."""
    if literal is None or kind not in ("int", "bigint") or not re.fullmatch(r"-?\d+", literal):
        return None
    return f"decimal({len(literal.lstrip('-').lstrip('0')) or 1},0)"


def pattern_letters(literal: str) -> list[str] | None:
    """Return the runs of letters of a date pattern as literals: ``'yyyy'``, ``'MM'``; None for quoted text."""
    pattern = literal[1:-1]
    if re.search(r"['\[\]{}#]", pattern):
        return None
    return [f"'{run[0]}'" for run in re.finditer(r"([A-Za-z])\1*", pattern)]
