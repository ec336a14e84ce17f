"""Every documented result of T-SQL: the translated query returns exactly it, or is refused before anything runs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import duckdb
import pytest

from midnight.gold_to_serving.tsql.macros import MACROS
from midnight.gold_to_serving.tsql.translate import translate_query
from midnight.gold_to_serving.tsql.types import make_type
from tests.unit.midnight.gold_to_serving.tsql_answers.all_constructs import CONSTRUCTS
from tests.unit.midnight.gold_to_serving.tsql_answers.corpus import Answer, Construct, Number, Outcome
from tests.unit.midnight.gold_to_serving.tsql_answers.inputs import TABLES
from tests.unit.midnight.gold_to_serving.tsql_answers.supported import SUPPORTED

SCHEMA = {f"gold.{name}": columns for name, (columns, _) in TABLES.items()}
REFUSED = "refused"
# An error in the data, which no check before the run can find: DuckDB must fail instead of returning another result.
REFUSED_VALUES = ("are not proved", "is not proved", "no documented conversion")
RELATIVE_ERROR = 1e-13  # of functions such as LOG, whose last digit is not documented


@pytest.fixture(scope="module")
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    """The input tables and the macros in one connection, in a session with a time zone other than UTC."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'America/New_York'")
        connection.execute("CREATE SCHEMA gold")
        for name, (columns, rows) in TABLES.items():
            definition = ", ".join(f'"{column}" {duckdb_type(type_)}' for column, type_ in columns.items())
            connection.execute(f'CREATE TABLE gold."{name}" ({definition})')
            connection.execute(f'INSERT INTO gold."{name}" VALUES {", ".join(f"({row})" for row in rows)}')
        for macro in MACROS:
            connection.execute(macro)
        yield connection


def duckdb_type(tsql_type: str) -> str:
    name, _, arguments = tsql_type.rstrip(")").partition("(")
    made = make_type(name, tuple(arguments.split(",")) if arguments else ())
    assert made is not None
    return made.duckdb


@dataclass
class Result:
    """The outcome of one documented result.

    Args:
        status: "answered", REFUSED or "error" (raised by DuckDB), or what is wrong.
        detail: for the reader of a failing test.
    """

    status: str
    detail: str


def query_of(answer: Answer, construct: Construct) -> str:
    if answer.sql.startswith(("SELECT ", "WITH ")):
        return answer.sql
    return f"SELECT x.id AS id, {answer.sql} AS answer FROM gold.{construct.table} AS x"


def result_of(database: duckdb.DuckDBPyConnection, answer: Answer, construct: Construct) -> Result:
    sql = query_of(answer, construct)
    translation = translate_query(sql, SCHEMA)
    if translation.problems:
        careless = [p for p in translation.problems if p.line < 1 or not explains(p.message)]
        shown = "; ".join(problem.message for problem in translation.problems)
        return Result("a refusal without line or hint" if careless else REFUSED, shown)
    try:
        result = database.execute(translation.duckdb)
        found_types, rows = [str(column[1]) for column in result.description], result.fetchall()
    except duckdb.Error as error:
        status = REFUSED if any(words in str(error) for words in REFUSED_VALUES) else "error"
        return Result(status, f"{error}\n{translation.duckdb}")
    if isinstance(answer.expected, Outcome):
        return Result(f"an answer where T-SQL's is: {answer.expected.value}", f"{rows}\n{translation.duckdb}")
    expected = expected_rows(answer, len(rows))
    if not same_rows(rows, expected):
        return Result("another answer", f"{rows}\nT-SQL: {expected}\n{translation.duckdb}")
    column = 0 if answer.sql.startswith(("SELECT ", "WITH ")) else 1
    type_ = translation.columns[column].type
    if answer.type and (str(type_) != answer.type or type_.duckdb.upper() != found_types[column].upper()):
        return Result(
            "another type", f"{type_}, DuckDB {found_types[column]}; T-SQL: {answer.type}\n{translation.duckdb}"
        )
    return Result("answered", "")


def explains(message: str) -> bool:
    return "hint:" in message or message.startswith("is not T-SQL: ")


def expected_rows(answer: Answer, count: int) -> list[tuple[Any, ...]]:
    if answer.sql.startswith(("SELECT ", "WITH ")):
        return answer.expected
    values = answer.expected if isinstance(answer.expected, list) else [answer.expected] * count
    return list(enumerate(values, start=1))


def same_rows(found: list[tuple[Any, ...]], expected: list[tuple[Any, ...]]) -> bool:
    """Whether both hold the same rows in any order."""
    left = list(expected)
    for row in found:
        match = next((other for other in left if len(other) == len(row) and all(map(same, row, other))), None)
        if match is None:
            return False
        left.remove(match)
    return not left


def same(found: Any, expected: Any) -> bool:
    """Whether a value of DuckDB equals T-SQL's, including type, scale and blanks."""
    if isinstance(expected, Number):
        return isinstance(found, int | Decimal) and found == expected.value
    if isinstance(found, bool) and isinstance(expected, int):
        return int(found) == expected
    if isinstance(found, float) and isinstance(expected, float):
        return math.isclose(found, expected, rel_tol=RELATIVE_ERROR, abs_tol=1e-300)
    return type(found) is type(expected) and str(found) == str(expected)


@pytest.mark.parametrize("construct", CONSTRUCTS, ids=lambda construct: construct.name)
def test_the_documented_result_or_a_refusal(database, construct):
    results = [(answer, result_of(database, answer, construct)) for answer in construct.answers]
    allowed = {False: ("answered", REFUSED), True: (REFUSED, "error")}
    wrong = [
        f"{answer.sql}\n{result.status}: {result.detail}"
        for answer, result in results
        if result.status not in allowed[isinstance(answer.expected, Outcome)]
    ]
    assert not wrong, "\n\n".join([f"documented: {construct.page}", *wrong])
    answered = sum(result.status == "answered" for _, result in results)
    refused = [f"{answer.sql}: {result.detail}" for answer, result in results if result.status == REFUSED]
    assert answered >= SUPPORTED.get(construct.name, 0), "\n".join(["no longer supported:", *refused])


def test_the_corpus_has_its_minimum_size():
    names = [construct.name for construct in CONSTRUCTS]
    assert len(set(names)) == len(names)
    assert set(SUPPORTED) <= set(names)
    assert len(SUPPORTED) >= 120
    assert sum(len(construct.answers) for construct in CONSTRUCTS) >= 400
