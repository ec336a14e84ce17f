"""Tables side by side: each group after those that it references, and what happens after an error."""

from __future__ import annotations

import threading
import time

import pytest

from midnight.bronze_to_silver.table_order import group_by_references
from spark_jobs.silver.table_groups import run_groups
from tests.support.sealed_batches import table


def referencing(name, *others):
    checks = [
        {"rule": "foreign_key", "name": other, "columns": ["id"], "table": other, "references": ["id"]}
        for other in others
    ]
    return table(name, {"id": "integer"}, key=["id"], checks=checks)


TREE = [
    referencing("a"),
    referencing("b", "a"),
    referencing("c", "b", "c", "elsewhere"),
    referencing("x", "y"),
    referencing("y", "x"),
    *[referencing(f"alone_{i}") for i in range(5)],
]


def test_a_group_runs_after_those_that_it_references_and_only_so_many_at_once():
    groups = group_by_references(TREE)
    running, most, lock, ended = [0], [0], threading.Lock(), []

    def work(number):
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        time.sleep(0.01)
        with lock:
            running[0] -= 1
            names = [t.silver for t in groups[number]]
            ended.extend(names)
        return names

    found = [name for names in run_groups(groups, work, at_once=3) for name in names]
    assert sorted(found) == sorted(t.silver for t in TREE)
    assert ended.index("a") < ended.index("b") < ended.index("c")
    assert most[0] == 3


def test_after_an_error_no_group_starts_and_those_that_run_give_their_results():
    groups = group_by_references(TREE)
    started: list[str] = []
    failing = threading.Event()

    def work(number):
        name = groups[number][0].silver
        started.append(name)
        if name == "a":
            failing.set()
            raise ValueError("the engine failed")
        failing.wait()
        time.sleep(0.05)
        return name

    found: list[str] = []
    with pytest.raises(ValueError, match="the engine failed"):
        found.extend(run_groups(groups, work, at_once=2))
    assert set(found) == set(started) - {"a"}
    assert len(started) <= 3
    assert "b" not in started
