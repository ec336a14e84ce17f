"""How each type is selected and sent."""

from __future__ import annotations

import pytest

from midnight.bronze.manifest import BronzeColumn
from midnight.column_types import stored_type
from midnight.postgres_to_bronze.copy_columns import ColumnPlan, copy_form, copy_layout, numeric_groups

PRINTED = 'CASE WHEN "a" IS DISTINCT FROM NULL THEN pg_catalog.concat("a") END'


@pytest.mark.parametrize(
    ("pg_type", "options", "expected"),
    [
        ("integer", {}, ('"a"', "int4")),
        ("oid", {}, ('"a"', "oid")),
        ("timestamp(3) without time zone", {}, ('"a"', "timestamp")),
        ("timestamp(0) with time zone", {}, ('"a"', "timestamp")),
        ("bytea", {}, ('"a"', "bytes")),
        ("character(5)", {}, ('"a"', "bytes")),  # a cast to text would cut blanks
        ("json", {}, ('"a"', "bytes")),
        ("jsonb", {}, ('"a"::text', "bytes")),  # its binary form has a version
        ("uuid", {}, ('"a"::text', "bytes")),
        ("time(3) with time zone", {}, ('"a"::text', "bytes")),
        ("inet", {}, (PRINTED, "bytes")),
        ("mood", {"category": "E"}, (PRINTED, "bytes")),
        ('"char"', {}, (PRINTED, "bytes")),
        ("integer[]", {"category": "A", "bronze_type": "text"}, (PRINTED, "bytes")),
        ("pair", {"category": "C", "bronze_type": "text"}, (PRINTED, "bytes")),
        ("numeric(12,2)", {}, ('"a"', "numeric")),
        ("numeric(38,2)", {}, ('("a")::text', "number text")),
        ("numeric", {}, ('("a")::text', "number text")),
        ("money", {}, ('("a"::numeric)::text', "number text")),
        ("bigint", {"bronze_type": "integer"}, ('("a")::text', "number text")),
        ("integer", {"bronze_type": "numeric(9,0)"}, ('("a")::text', "number text")),
        ("numeric(9,2)", {"bronze_type": "numeric(9,3)"}, ('("a")::text', "number text")),
        ("numeric", {"bronze_type": "double precision"}, ('"a"::double precision', "float8")),
        ("text", {"bronze_type": "bigint"}, ('"a"::bigint', "int8")),
        ("numeric", {"bronze_type": "text"}, ('"a"::text', "bytes")),
    ],
)
def test_expression_and_form(pg_type, options, expected):
    bronze_type, category = options.get("bronze_type"), options.get("category", "")
    assert copy_form('"a"', pg_type, stored_type(pg_type, bronze_type), bronze_type, category) == expected


@pytest.mark.parametrize(
    ("stored_as", "groups"),
    [
        ("numeric(1,0)", (1, 0)),
        ("numeric(12,2)", (3, 1)),
        ("numeric(4,4)", (0, 1)),
        ("numeric(18,0)", (5, 0)),
        ("numeric(18,1)", None),
        ("numeric(17,3)", (4, 1)),
        ("numeric(19,0)", None),
        ("bigint", None),
    ],
)
def test_numbers_of_which_the_groups_fit_64_bits(stored_as, groups):
    assert numeric_groups(stored_as) == groups


def plan(name: str, pg_type: str, *, nullable: bool = True) -> ColumnPlan:
    stored_as = stored_type(pg_type, None)
    bronze = BronzeColumn(name=name, source=name, postgres_type=pg_type, stored_as=stored_as, nullable=nullable)
    return ColumnPlan(bronze, *copy_form(f'"{name}"', pg_type, stored_as, None, ""))


def test_a_table_is_sent_as_it_is_if_its_first_column_shows_where_rows_begin():
    layout = copy_layout([plan("id", "integer", nullable=False), plan("note", "text"), plan("day", "date")])
    assert layout.expressions == ['"id"', '"note"', '"day"']
    assert layout.row_start == b"\0\3"


def test_columns_are_ordered_where_the_server_forms_new_rows_anyway():
    plans = [plan("note", "text"), plan("day", "date"), plan("guid", "uuid"), plan("id", "bigint", nullable=False)]
    layout = copy_layout(plans)
    assert layout.expressions == ['"id"', '"day"', '"note"', '"guid"::text']
    assert layout.row_start == b"\0\4"


@pytest.mark.parametrize("key", [plan("id", "bigint"), plan("id", "text", nullable=False)])
def test_rows_without_a_column_that_shows_where_they_begin_have_a_constant(key):
    layout = copy_layout([key, plan("day", "date")])
    assert layout.expressions[0] == "(-73545995)"
    assert sorted(layout.expressions[1:]) == ['"day"', '"id"']
    assert layout.row_start == b"\0\3\0\0\0\4\xfb\x9d\xc6\xf5"
