"""Names with any characters are mapped to safe names in the lake."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from midnight.names import (
    SHORTENED,
    folder_name,
    from_folder_name,
    qualified_name,
    safe_name,
    safe_names,
)

identifiers = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), min_size=1, max_size=63)


@given(identifiers)
def test_a_folder_name_is_reversible_and_ascii(name):
    folder = folder_name(name)
    assert re.fullmatch(r"[A-Za-z0-9_-]+", folder)
    assert from_folder_name(folder) == name or (SHORTENED in folder and len(folder) > 100)


@given(identifiers, identifiers)
def test_two_folder_names_fit_in_one_file_name_and_are_distinct(schema, table):
    folders = (folder_name(schema), folder_name(table))
    assert len(".".join(folders)) + len(".yml") <= 255
    assert (folders[0] == folders[1]) == (schema == table)


@given(identifiers, identifiers)
@example("Orders", "ORDERS")
@example("orders", "Orders")
@example("x" * 130, "x" * 129 + "X")
@example("orders-u1", "Orders")
@example("caf\u00e9", "cafe\u0301")
def test_folder_names_are_distinct_ignoring_case(one, other):
    assert (folder_name(one).lower() == folder_name(other).lower()) == (one == other)


def test_a_folder_name_does_not_depend_on_other_tables_and_is_not_reserved_by_windows():
    names = ["orders", "Orders", "ORDERS", "AspNetUsers", "con", "CON", "lpt1", "console"]
    assert [folder_name(name) for name in names] == [
        *("orders", "Orders-u1", "ORDERS-u3f", "AspNetUsers-u49", "-63on", "CON-u7", "-6cpt1", "console"),
    ]


def test_a_long_folder_name_ends_in_a_digest():
    assert [
        len(folder_name("a" * 119 + "b")),
        len(folder_name("a" * 120 + "b")),
        len(folder_name("a" * 120 + "b").partition("--")[2]),
    ] == [120, 120, 16]


@given(st.lists(identifiers, unique=True, max_size=8))
def test_safe_names_are_distinct_ignoring_case_and_accepted_by_delta(names):
    safe = safe_names(names)
    assert len({name.casefold() for name in safe}) == len(names)
    assert not [name for name in safe if set(name) & set(" ,;{}()\n\t=")]
    assert [safe_name(name) for name in safe] == safe


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("order_id", "order_id"),
        ("Order Date", "Order_Date"),
        ('say "hi"', "say__hi_"),
        ("größe", "größe"),
        ("1st", "c_1st"),
        ("_midnight_batch_id", "c__midnight_batch_id"),
    ],
)
def test_safe_name(name, expected):
    assert safe_name(name) == expected


def test_columns_that_differ_only_in_case_get_numbers():
    assert safe_names(["id", "Id", "ID", "id_2"]) == ["id", "Id_2", "ID_3", "id_2_2"]


def test_a_qualified_name_is_quoted_where_sql_requires_it():
    assert qualified_name("public", "flights") == "public.flights"
    assert qualified_name("Sales", 'a"b') == '"Sales"."a""b"'
