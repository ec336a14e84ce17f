"""DuckDB can bind every translation: random expressions of the table of constructs, in every place."""

from __future__ import annotations

import re
from collections.abc import Iterator

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from midnight.gold_to_serving.tsql.aggregates import AGGREGATE_FUNCTIONS
from midnight.gold_to_serving.tsql.constructs import FUNCTIONS
from midnight.gold_to_serving.tsql.macros import MACROS
from midnight.gold_to_serving.tsql.translate import translate_query
from midnight.gold_to_serving.tsql.type_names import parse_type

COLUMNS = {
    "i": "int",
    "b": "bigint",
    "s": "smallint",
    "u": "tinyint",
    "d": "decimal(10,2)",
    "w": "decimal(38,10)",
    "f": "float",
    "r": "real",
    "x": "bit",
    "t": "varchar(max)",
    "v": "varchar(20)",
    "n": "nvarchar(10)",
    "c": "char(5)",
    "dt": "date",
    "ts": "datetime2(6)",
    "da": "datetime",
    "tm": "time(0)",
    "bin": "varbinary(max)",
}
SCHEMA = {"gold.t": COLUMNS, "gold.o": {"k": "int", "code": "varchar(max)", "amount": "decimal(12,3)"}}
PARTS = ("year", "quarter", "month", "week", "day", "hour", "minute", "second", "millisecond", "weekday", "iso_week")
CONSTANTS = ("0", "1", "2", "-3", "2.5", "1e1", "'ab '", "'2024-01-31'", "''", "N'é'", "'%a%'", "'$.a'", "NULL", "'N2'")
TYPES = (
    "int",
    "bigint",
    "decimal(9,3)",
    "float",
    "bit",
    "varchar(3)",
    "char(4)",
    "nvarchar(5)",
    "date",
    "datetime2(0)",
    "datetime",
    "time(3)",
)
PLACES = (
    "SELECT {0} AS a FROM gold.t AS q",
    "SELECT {0} AS a, COUNT(*) AS n FROM gold.t AS q GROUP BY {0}",
    "SELECT {0} AS a, SUM(q.i) AS n FROM gold.t AS q GROUP BY ROLLUP ({0}, q.v)",
    "SELECT DISTINCT {0} AS a, {1} AS b FROM gold.t AS q",
    "SELECT q.i FROM gold.t AS q WHERE {0} = {1} OR {0} IN ({1}) OR {0} IS NULL",
    "SELECT q.i, o.k FROM gold.t AS q LEFT JOIN gold.o AS o ON {0} = {1} AND o.k = q.i",
    "SELECT q.i, y.a FROM gold.t AS q CROSS APPLY (SELECT {0} AS a FROM gold.o AS o WHERE o.k = q.i) AS y",
    "SELECT q.i, y.a FROM gold.t AS q "
    "OUTER APPLY (SELECT TOP (1) o.code AS a FROM gold.o AS o WHERE o.k > {0} ORDER BY {1}) AS y",
    "SELECT q.i FROM gold.t AS q WHERE EXISTS (SELECT * FROM gold.o AS o WHERE {0} = {1} AND o.code LIKE 'a%')",
    "SELECT (SELECT MAX(o.code) FROM gold.o AS o WHERE {0} < {1}) AS a FROM gold.t AS q",
    "SELECT TOP (3) WITH TIES {0} AS a FROM gold.t AS q ORDER BY {1}",
    "SELECT {0} AS a FROM gold.t AS q UNION SELECT {1} FROM gold.t AS q EXCEPT SELECT o.code FROM gold.o AS o",
    "SELECT LAG({0}) OVER (PARTITION BY {1} ORDER BY q.i) AS a FROM gold.t AS q",
    "SELECT RANK() OVER (ORDER BY {0} DESC) AS a, MAX({1}) OVER (PARTITION BY q.t) AS b FROM gold.t AS q",
    *(f"SELECT {name.name}({{0}}) AS a, MIN({{1}}) AS b FROM gold.t AS q" for name in AGGREGATE_FUNCTIONS[:10]),
)


@st.composite
def expressions(draw: st.DrawFn, depth: int = 2) -> str:
    """A T-SQL expression over the columns of ``q``; many are not valid."""
    kind = (
        draw(st.sampled_from(("column", "constant", "call", "call", "call", "operator", "cast", "case")))
        if depth
        else "column"
    )
    inner = expressions(depth=max(depth - 1, 0))
    if kind == "column":
        return "q." + draw(st.sampled_from(sorted(COLUMNS)))
    if kind == "constant":
        return draw(st.sampled_from(CONSTANTS))
    if kind == "operator":
        operator = draw(st.sampled_from(("+", "-", "*", "/", "%", "&")))
        return f"({draw(inner)} {operator} {draw(inner)})"
    if kind == "cast":
        function = draw(st.sampled_from(("CAST", "TRY_CAST")))
        return f"{function}({draw(inner)} AS {draw(st.sampled_from(TYPES))})"
    if kind == "case":
        return f"CASE WHEN {draw(inner)} > {draw(inner)} THEN {draw(inner)} ELSE {draw(inner)} END"
    name = draw(st.sampled_from(sorted(FUNCTIONS)))
    least, most = FUNCTIONS[name].arguments
    arguments = [
        draw(st.one_of(inner, st.sampled_from(CONSTANTS)))
        for _ in range(draw(st.integers(least, min(most, least + 1))))
    ]
    if name.startswith("DATE") and "PARTS" not in name and arguments:
        arguments[0] = draw(st.sampled_from(PARTS))
    return f"{name}({', '.join(arguments)})" if name != "CURRENT_TIMESTAMP" else name


@pytest.fixture(scope="module")
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("CREATE SCHEMA gold")
        for macro in MACROS:
            connection.execute(macro)
        for table, columns in SCHEMA.items():
            definition = ", ".join(f'"{name}" {parse_type(type_).duckdb}' for name, type_ in columns.items())
            connection.execute(f"CREATE TABLE {table} ({definition})")
        yield connection


def check(database: duckdb.DuckDBPyConnection, sql: str) -> bool:
    translation = translate_query(sql, SCHEMA)
    assert (translation.duckdb is None) == bool(translation.problems)
    if translation.duckdb is None:
        return False
    try:
        described = database.execute(f"DESCRIBE {translation.duckdb}").fetchall()
    except duckdb.Error as error:
        raise AssertionError(f"{sql}\n{translation.duckdb}\n{error}") from error
    assert [row[1] for row in described] == [column.type.duckdb for column in translation.columns], sql
    return True


@pytest.mark.slow
@settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(place=st.sampled_from(PLACES), first=expressions(), second=expressions())
def test_a_random_expression_is_refused_or_bound(database, place, first, second):
    check(database, place.format(first, second))


WORDS = re.findall(r"\w+|[^\w\s]", " ".join(PLACES).format("SUM(q.i)", "'a'"))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    place=st.sampled_from(PLACES),
    changes=st.lists(st.tuples(st.integers(0, 60), st.sampled_from(WORDS), st.booleans()), min_size=1, max_size=3),
)
def test_a_statement_with_wrong_words_is_refused_or_bound(database, place, changes):
    words = re.findall(r"\w+|[^\w\s]", place.format("q.i", "q.d"))
    for index, word, inserted in changes:
        place_of_word = index % len(words)
        words[place_of_word : place_of_word + (0 if inserted else 1)] = [word]
    check(database, " ".join(words))


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_each_function_is_bound_with_some_arguments(database, name):
    """Each row of the table can be translated."""
    candidates = [
        "q.i",
        "q.d",
        "q.f",
        "q.v",
        "q.t",
        "q.dt",
        "q.ts",
        "'a'",
        "'$.a'",
        "'MD5'",
        "'N2'",
        "1",
        "'%a%'",
        "q.i > 1",
        "0",
    ]
    least, _ = FUNCTIONS[name].arguments
    bound = 0
    for start in range(len(candidates)):
        for step in (0, 1, 2, 3, 11):
            arguments = [candidates[(start + step * n) % len(candidates)] for n in range(least)]
            if name.startswith("DATE") and "PARTS" not in name:
                arguments[0] = "month"
            if name in {"DATETIME2FROMPARTS", "DATETIMEFROMPARTS", "TIMEFROMPARTS"}:
                arguments[3:] = ["0"] * (least - 3)
            call = f"{name}({', '.join(arguments)})" if name != "CURRENT_TIMESTAMP" else name
            bound += check(database, f"SELECT {call} AS a FROM gold.t AS q")
    assert bound > 0
