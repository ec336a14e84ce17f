"""The form of a documented result."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Any

D = Decimal


class Outcome(Enum):
    """The expected outcome instead of a value; a refusal is correct for both.

    ERROR: T-SQL raises an error.
    UNPROVED: T-SQL returns an undocumented value, so that no value may be returned.
    """

    ERROR = "error"
    UNPROVED = "unproved"


ERROR, UNPROVED = Outcome.ERROR, Outcome.UNPROVED


@dataclass(frozen=True)
class Number:
    """A number whose scale is not documented: only its value is compared."""

    value: Decimal


@dataclass(frozen=True)
class Answer:
    """One expression or query, and its result in T-SQL.

    Args:
        sql: an expression over a column of ``table`` (or over no column), or a SELECT.
        expected: the value for the only row; a list with one value per row of the table in the order of ``id``; for a
            SELECT a list of rows in any order; ERROR or UNPROVED.
        type: T-SQL's type of the first column where it is documented, for example ``decimal(7,6)``.
    """

    sql: str
    expected: Any
    type: str | None = None


@dataclass(frozen=True)
class Construct:
    """A construct of T-SQL and its documented results.

    Args:
        name: unique.
        page: that documents the results.
        answers: at least one.
        table: of ``inputs.TABLES``, which the expressions read.
    """

    name: str
    page: str
    answers: tuple[Answer, ...]
    table: str


def construct(name: str, page: str, *answers: tuple[Any, ...], table: str = "one") -> Construct:
    """A construct with its results, each as ``(sql, expected)`` or ``(sql, expected, type)``."""
    return Construct(name, page, tuple(Answer(*answer) for answer in answers), table)


def number(text: str) -> Number:
    """A number of any scale."""
    return Number(Decimal(text))
