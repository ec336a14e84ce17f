"""How many queries, Spark jobs and commits a run of silver needs, so that the number cannot grow unnoticed."""

from __future__ import annotations

import pytest
from deltalake import DeltaTable

from spark_jobs.silver.run import build_silver
from tests.support.query_counts import counted_queries
from tests.support.sealed_batches import document, seal, table

COLUMNS = {"id": "integer", "parent": "integer", "name": "text", "n": {"type": "text", "cast": "integer"}}
CHECKS = [
    {"rule": "range", "column": "n", "max": 50},
    {"rule": "pattern", "column": "name", "regex": r"\w+ \d+"},
    {"rule": "expression", "name": "small", "sql": "id < 1000", "on_failure": "warn"},
]
PARENTS = table("parents", COLUMNS, key=["id"], checks=CHECKS)
REFERENCE = {"rule": "foreign_key", "columns": ["parent"], "table": "parents", "references": ["id"]}
CHILDREN = [table(f"child_{i}", COLUMNS, key=["id"], checks=[*CHECKS, REFERENCE]) for i in range(3)]
TABLES = [PARENTS, *CHILDREN]
ROWS = [{"id": i, "parent": i % 7, "name": f"name {i}", "n": str(i)} for i in range(60)]  # nine are rejected

# By the engine: the rejected rows of all tables, and in the first run the ledger, which delta-rs extends afterwards.
COMMITS_PER_RUN, FIRST_COMMITS = 1, 2


def run(session, lake, number, changed=()):
    rows = {t.silver: [{**ROWS[0], "name": f"name {number}"}, *ROWS[1:]] if t in changed else ROWS for t in TABLES}
    plan = document(lake, number, *[(t, seal(lake, t, number, rows[t.silver])) for t in TABLES])
    with counted_queries() as counts:
        entries = build_silver(session, plan)
    assert [entry.quarantined for entry in entries] == [9] * len(TABLES)
    return counts


def test_the_queries_of_a_run_on_sail(sail_session, lake):
    first = run(sail_session, lake, 1)
    # Per table: the patterns, the staged rows, their counts, and silver.
    assert first.executed <= 4 * len(TABLES) + FIRST_COMMITS
    unchanged = run(sail_session, lake, 2)
    assert (unchanged.executed, unchanged.analyzed) == (0, 0), "whatever the number of tables"
    changed = run(sail_session, lake, 3, changed=[CHILDREN[0]])
    assert changed.executed <= 6 + COMMITS_PER_RUN
    assert DeltaTable(lake.ledger).version() + 1 == 2 + 1 + 2
    assert DeltaTable(lake.quarantine).version() + 1 == 1 + 0 + 1


@pytest.mark.spark
def test_the_jobs_of_a_run_on_apache_spark(spark_session, lake):
    """The goal of issue 12: at most 8 jobs per table in the first run, which were 27, and none for an unchanged one."""
    first = run(spark_session, lake, 1)
    assert 0 < first.jobs <= 8 * len(TABLES)
    unchanged = run(spark_session, lake, 2)
    assert unchanged.jobs <= 2, "the commit of the ledger, whatever the number of tables"
    changed = run(spark_session, lake, 3, changed=[CHILDREN[0]])
    assert changed.jobs <= 20
    print(f"jobs: first {first.jobs}, unchanged {unchanged.jobs}, one of {len(TABLES)} changed {changed.jobs}")
