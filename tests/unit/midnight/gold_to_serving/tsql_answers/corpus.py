"""How a documented answer is written down."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Any

D = Decimal


class Outcome(Enum):
    """What is expected instead of a value; a refusal is right for both.

    ERROR: T-SQL raises an error.
    UNPROVED: T-SQL has an answer that is not documented, so that no other answer may be given.
    """

    ERROR = "error"
    UNPROVED = "unproved"


ERROR, UNPROVED = Outcome.ERROR, Outcome.UNPROVED


@dataclass(frozen=True)
class Number:
    """A number whose scale is not documented: only its value counts."""

    value: Decimal


@dataclass(frozen=True)
class Answer:
    """One expression or query, and what T-SQL gives.

    Args:
        sql: an expression over a column of ``table`` (or over no column), or a whole SELECT.
        expected: the value for the only row; a list with one value per row of the table in the order of ``id``; for a
            SELECT a list of rows in any order; ERROR or UNPROVED.
        type: T-SQL's type of the first column where it is documented, for example ``decimal(7,6)``.
    """

    sql: str
    expected: Any
    type: str | None = None


@dataclass(frozen=True)
class Construct:
    """A construct of T-SQL and its documented answers.

    Args:
        name: unique.
        page: where the answers are documented.
        answers: at least one.
        table: of ``inputs.TABLES``, which the expressions read.
    """

    name: str
    page: str
    answers: tuple[Answer, ...]
    table: str


def construct(name: str, page: str, *answers: tuple[Any, ...], table: str = "one") -> Construct:
    """A construct with its answers, each as ``(sql, expected)`` or ``(sql, expected, type)``."""
    return Construct(name, page, tuple(Answer(*answer) for answer in answers), table)


def number(text: str) -> Number:
    """A number of any scale."""
    return Number(Decimal(text))
