"""The statement that changes silver on Apache Spark and Databricks."""

from __future__ import annotations

import pytest

from spark_jobs.runtime.merge import merge_statement, same_row
from spark_jobs.transforms.changes import MOST_COMPARED_SINGLY

WIDE = [f"c{number}" for number in range(150)]


def test_a_short_identity_is_compared_column_by_column():
    assert same_row(["a", "b`c"]) == "t.`a` <=> s.`a` AND t.`b``c` <=> s.`b``c`"


def test_a_wide_identity_is_few_conditions_with_every_column():
    condition = same_row(WIDE)
    assert condition.count("<=>") == MOST_COMPARED_SINGLY + 1
    assert all(condition.count(f"{side}.`{name}`") == 1 for side in "ts" for name in WIDE)


def statement_of(actions, **bounds):
    columns = {"identity": ["k"], "columns": ["k", "v"]}
    return merge_statement("/lake/t", "changes", **columns, action="action", actions=actions, bounds=bounds)


def test_the_engine_looks_between_the_smallest_and_the_largest_changed_key():
    assert "ON t.`k` <=> s.`k` AND t.`k` BETWEEN 7L AND 9L WHEN" in statement_of(["update"], k=("7L", "9L"))
    assert "BETWEEN" not in statement_of(["update"])


@pytest.mark.parametrize(
    ("actions", "clauses"),
    [
        (["update"], ["WHEN MATCHED THEN UPDATE"]),
        (["delete"], ["WHEN MATCHED AND s.`action` = 'delete' THEN DELETE"]),
        (["insert", "delete"], ["WHEN MATCHED AND s.`action` = 'delete' THEN DELETE", "WHEN NOT MATCHED THEN INSERT"]),
    ],
)
def test_the_statement_has_only_the_clauses_that_occur(actions, clauses):
    statement = statement_of(actions)
    assert statement.count("WHEN") == len(clauses)
    assert all(clause in statement for clause in clauses)
    assert "`k` = s.`k`" not in statement, "the identity of a row does not change"
