"""Rules in words, the refused value, and masked columns."""

from __future__ import annotations

import json

import pytest

from midnight.configuration.tables import Table
from midnight.quarantine.rules import rule_of
from midnight.quarantine.values import OffendingValue, describe_key, offending_value, without_masked_values

PSEUDONYM = "0123456789abcdef0123456789abcdef"


def table(*checks: dict, **fields) -> Table:
    columns = [{"name": name, "type": "text"} for name in ("id", "a", "b", "Date")]
    columns += [
        {"name": "email", "type": "text", "mask": "pseudonym"},
        {"name": "n", "type": "text", "cast": "integer"},
    ]
    given = {"schema": "public", "table": "t", "silver": "t", "key": ["id"], "columns": columns, "checks": list(checks)}
    return Table.model_validate(given | {"new_columns": "ignore", "null_values": ["NA"]} | fields)


@pytest.mark.parametrize(
    ("check", "requirement", "row", "offending"),
    [
        ({"rule": "not_null", "columns": ["a"]}, "a is not null", {}, ("a", "null")),
        ({"rule": "not_null", "columns": ["a", "b"]}, "a and b are not null", {"a": "1", "b": "NA "}, ("b", "NA ")),
        ({"rule": "unique", "columns": ["a", "b"]}, "a and b together are unique", {"a": "1"}, ("a, b", "1, null")),
        ({"rule": "accepted_values", "column": "a", "values": ["x", "y"]}, "a is 'x' or 'y'", {"a": "z"}, ("a", "z")),
        ({"rule": "range", "column": "a", "min": 1}, "a is at least 1", {"a": "0"}, ("a", "0")),
        ({"rule": "range", "column": "a", "max": 2}, "a is at most 2", {"a": "3"}, ("a", "3")),
        ({"rule": "range", "column": "a", "min": 1, "max": 2}, "a is between 1 and 2", {"a": "3"}, ("a", "3")),
        ({"rule": "pattern", "column": "a", "regex": "[0-9]+"}, "a matches the pattern [0-9]+", {"a": "x"}, ("a", "x")),
        (
            {"rule": "foreign_key", "columns": ["a"], "table": "u", "references": ["k"]},
            "a exists in u (k)",
            {"a": "9"},
            ("a", "9"),
        ),
        (
            {"rule": "expression", "name": "e", "sql": "A <\n 5 AND upper(`Date`) <> 'b' -- n"},
            "A < 5 AND upper(`Date`) <> 'b' -- n",
            {"a": "7", "Date": "B"},
            ("a, Date", "7, B"),
        ),
        ({"rule": "not_null", "columns": ["email"]}, "email is not null", {}, ("email", "")),
        (
            {"rule": "expression", "name": "e", "sql": "email <> a"},
            "email <> a",
            {"a": "7", "email": PSEUDONYM},
            ("email, a", "(masked), 7"),
        ),
    ],
)  # fmt: skip
def test_a_check_in_words_and_what_it_refused(check, requirement, row, offending):
    t = table(check | {"owner": "team", "description": "why", "link": "https://x.example/1"})
    rule = rule_of(t, t.checks[0].label)
    assert rule.requirement == requirement
    assert (rule.owner, rule.description, rule.link) == ("team", "why", "https://x.example/1")
    assert offending_value(rule, t, json.dumps(row)) == OffendingValue(*offending)
    assert "public.t" in rule.hint


@pytest.mark.parametrize(
    ("name", "requirement", "offending"),
    [
        ("key_not_null", "no column of the key (id) is null", ("id", "null")),
        ("cast_n", "n is a valid integer", ("n", "1O")),
        ("gone", "gone (this rule is not configured any more)", ("", "")),
    ],
)
def test_rules_that_are_no_checks(name, requirement, offending):
    rule = rule_of(table(), name)
    assert (rule.requirement, rule.check) == (requirement, None)
    assert offending_value(rule, table(), {"n": "1O"}) == OffendingValue(*offending)


def test_a_masked_value_is_hidden_also_in_a_row_that_is_older_than_the_mask():
    t = table(key=["id", "email"])
    assert describe_key(t, '{"id":"1","email":"ann@example.com"}') == "id=1, email=(masked)"
    assert describe_key(t, json.dumps({"id": "1", "email": PSEUDONYM})) == f"id=1, email={PSEUDONYM}"
    assert without_masked_values(t, {"email": "ann@example.com", "a": "1"}) == {"email": "(masked)", "a": "1"}
