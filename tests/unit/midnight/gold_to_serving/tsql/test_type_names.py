"""The names of types that T-SQL has in more than one word."""

from __future__ import annotations

import pytest

from midnight.gold_to_serving.tsql.type_names import parse_type


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("DOUBLE PRECISION", "float"),
        ("character varying(10)", "varchar(10)"),
        ("CHAR VARYING(3)", "varchar(3)"),
        ("NATIONAL CHARACTER VARYING(5)", "nvarchar(5)"),
        ("BINARY VARYING(4)", "varbinary(4)"),
    ],
)
def test_a_type_of_several_words(written, expected):
    assert str(parse_type(written)) == expected
