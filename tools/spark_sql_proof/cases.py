"""The cases of gold models: each operation on each combination of types."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from tools.spark_sql_proof.grid import SIDES, column_name, rows_of


@dataclass(frozen=True)
class Case:
    """An expression over the grid, and the rows on which it is compared.

    Args:
        text: the expression; a whole query in the mode ``query``.
        where: condition for the rows.
        about: the compared operation, when it is not the outermost one.
        mode: ``rows``: a value or an error for each row; ``groups``: an aggregate for each j; ``windows``: a value for
            each row, but one error fails all; ``query``: a whole query.
    """

    text: str
    where: str
    about: str = ""
    mode: str = "rows"


WHOLE = ["smallint", "int", "bigint"]
FLOATS = ["float", "double"]
DECIMALS = ["decimal(10,2)", "decimal(18,6)", "decimal(38,18)", "decimal(38,0)", "decimal(5,0)"]
NUMBERS = [*WHOLE, *FLOATS, *DECIMALS]
TIMES = ["date", "timestamp"]
PLAIN = ["boolean", *NUMBERS, "string", "binary", *TIMES]
ARRAYS = ["array<int>", "array<string>", "array<double>", "array<decimal(10,2)>", "array<date>"]
NUMBER_LITERALS = ["1", "0", "-1", "100", "0.5", "100.0", "1e0", "3000000000"]
DATE_TEXTS = ["'2024-02-29'", "'1970-01-01'", "'9999-12-31'", "'0001-01-01'"]
TIME_TEXTS = ["'2024-02-29 23:59:59'", "'1970-01-01 00:00:00.123456'"]
NUMBER_TEXTS = ["'12'", "'-3'", "'0'"]
DECIMAL_TEXTS = ["'1.5'", "'-0.25'"]
WORDS = ["'abc'", "''", "'A'", "'ÄÖü ß'", "'a'", "'b'"]
UNITS = ["year", "quarter", "month", "week", "day", "hour", "minute", "second"]


def case(template: str, *kinds: str) -> Case:
    """``{0}`` is the first column."""
    names = [column_name(SIDES[position], kind) for position, kind in enumerate(kinds)]
    return Case(filled(template, *names), rows_of(list(kinds)), _about(template))


def filled(template: str, *parts: str) -> str:
    """Fill a template with its arguments; other braces are kept (regular expressions have some)."""
    for position, part in enumerate(parts):
        template = template.replace(f"{{{position}}}", part)
    return template


def each(templates: Sequence[str], *choices: Sequence[str]) -> Iterator[Case]:
    """Yield every template on every combination of types."""
    for template, kinds in product(templates, product(*choices)):
        yield case(template, *kinds)


def with_literals(templates: Sequence[str], kinds: Sequence[str], literals: Sequence[str]) -> Iterator[Case]:
    """Yield every template on every type and literal; ``{1}`` is the literal."""
    for template, kind, literal in product(templates, kinds, literals):
        yield Case(filled(template, column_name("a", kind), literal), rows_of([kind]), _about(template))


def _about(template: str) -> str:
    return "case =" if template.startswith("CASE {0}") else ""
