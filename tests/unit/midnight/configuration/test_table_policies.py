"""Conditions between ``on_unrepresentable`` and the other fields of a table file."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from midnight.configuration.columns import Column
from tests.support.sealed_batches import table

DATE = {"type": "date", "on_unrepresentable": "null"}


def test_text_is_the_type_in_bronze_from_the_start():
    column = Column.model_validate({"name": "a", "type": "date", "on_unrepresentable": "text"})
    assert column.bronze_type == "text"
    assert Column.model_validate(column.model_dump()) == column  # as in a run document
    assert Column.model_validate({"name": "a", "type": "date", "on_unrepresentable": None}).on_unrepresentable == "null"


@pytest.mark.parametrize(
    ("columns", "rules", "message"),
    [
        ({"a": DATE}, {"key": ["a"]}, r"'null' is not possible for 'a', which is part of the key; hint: write 'text'"),
        (
            {"a": "integer", "b": DATE},
            {"key": ["a"], "mode": "incremental", "cursor": "b"},
            r"'null' is not possible for 'b', which is the cursor; hint: write 'text' or 'fail'",
        ),
        (
            {"a": {"type": "numeric", "bronze_type": "numeric(9,2)", "on_unrepresentable": "text"}},
            {},
            r"'text' contradicts bronze_type: 'numeric\(9,2\)'; hint: remove one of the two lines",
        ),
        ({"a": {"type": "date", "on_unrepresentable": "drop"}}, {}, r"Input should be 'fail', 'text' or 'null'"),
    ],
)
def test_a_policy_that_cannot_be_is_refused(columns, rules, message):
    with pytest.raises((ValidationError, ValueError), match=message):
        table("t", columns, **rules)
