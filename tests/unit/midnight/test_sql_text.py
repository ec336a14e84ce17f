"""SQL quoting: what each dialect's own reader makes of a quoted name or text, and no second place that quotes."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb
import pytest
import sqlglot
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg import sql as psycopg_sql

from midnight.settings import REPOSITORY
from midnight.sql_text import (
    postgres_literal,
    quote_backticked,
    quote_bracketed,
    quote_identifier,
    quote_if_needed,
    quote_relation,
    spark_literal,
    text_literal,
    unicode_literal,
)

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)))
NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), min_size=1, max_size=63)
# Line ends are left out: sqlglot takes other ones for "\n", the servers do not.
PRINTABLE = st.text(st.sampled_from("a'\"`[]\\;-/* Zé%_${}"), min_size=1, max_size=20)


@given(NAMES, TEXTS)
def test_postgres_is_quoted_as_psycopg_quotes(name, text):
    assert quote_identifier(name) == psycopg_sql.Identifier(name).as_string(None)
    assert quote_relation(name, "t") == psycopg_sql.Identifier(name, "t").as_string(None)
    assert postgres_literal(text) == psycopg_sql.Literal(text).as_string(None).lstrip()


@settings(deadline=None)  # the first call loads a dialect
@given(PRINTABLE)
def test_duckdb_reads_back_the_name_and_the_text(text):
    cursor = duckdb.execute(f"SELECT {text_literal(text)} AS {quote_identifier(text)}")
    assert (cursor.description[0][0], cursor.fetchone()) == (text, (text,))


@settings(deadline=None)  # the first call loads a dialect
@given(PRINTABLE)
def test_tsql_reads_back_the_name_and_the_text(text):
    query = f"SELECT {unicode_literal(text)} AS {quote_bracketed(text)}, {text_literal(text)} AS b"
    national, plain = sqlglot.parse_one(query, read="tsql").expressions
    assert (national.alias, national.this.name, plain.this.name) == (text, text, text)


@settings(deadline=None)  # the first call loads a dialect
@given(PRINTABLE)
def test_spark_reads_back_the_name_and_the_text(text):
    (shown,) = sqlglot.parse_one(f"SELECT {spark_literal(text)} AS {quote_backticked(text)}", read="spark").expressions
    assert (shown.alias, shown.this.name) == (text, text)


@pytest.mark.parametrize("quote", [quote_identifier, quote_bracketed, quote_backticked, quote_if_needed])
@pytest.mark.parametrize("name", ["", "a\0b"])
def test_what_cannot_be_an_identifier_is_refused(quote, name):
    with pytest.raises(ValueError, match="is not an SQL identifier"):
        quote(name)


def test_a_text_with_nul_is_not_sent_to_postgres():
    with pytest.raises(ValueError, match="holds a NUL"):
        postgres_literal("a\0b")


def test_quotes_only_where_characters_need_them():
    assert [quote_if_needed(name) for name in ("reader", "midnight-reader", "Sales")] == [
        "reader",
        '"midnight-reader"',
        '"Sales"',
    ]


# Not SQL: DAX and TMDL, CSV of the command line, a password in libpq's quotes. tokens.py takes quotes away.
OTHER_LANGUAGES = {
    "plugins/midnight/lineage/power_bi.py",
    "plugins/midnight/powerbi/model/measures.py",
    "plugins/midnight/powerbi/model/measure_problems.py",
    "plugins/midnight/powerbi/model/pbir.py",
    "plugins/midnight/powerbi/model/tmdl.py",
    "plugins/midnight/gold_to_serving/tsql/tokens.py",
    "plugins/midnight/postgres_to_bronze/source_address.py",
    "cli/console/query_output.py",
}
HOME_MADE = re.compile(r"""\.replace\((?:"'"|'"'|"`"|'`'|"]"|']'|"''"|'""')""")


def test_sql_is_quoted_in_one_module_only():
    found = {
        path.relative_to(REPOSITORY).as_posix()
        for folder in ("plugins", "spark_jobs", "cli")
        for path in Path(REPOSITORY, folder).rglob("*.py")
        if HOME_MADE.search(path.read_text(encoding="utf-8"))
    }
    assert "plugins/midnight/sql_text.py" in found
    assert found - {"plugins/midnight/sql_text.py", *OTHER_LANGUAGES} == set()
