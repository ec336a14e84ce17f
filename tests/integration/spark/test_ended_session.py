"""A session that has ended, in a process that opens another one."""

from __future__ import annotations

from typing import Any

from pyspark.sql.connect.client.reattach import ExecutePlanResponseReattachableIterator

from spark_jobs.runtime.session import open_session


def test_the_finalizer_of_an_ended_session_does_not_touch_the_threads_of_the_next_one():
    with open_session("sail") as first:
        first.range(1).collect()
    ended: Any = first
    with open_session("sail") as session:
        session.range(1).collect()
        threads = ExecutePlanResponseReattachableIterator._release_thread_pool_instance
        assert threads is not None
        ended.__del__()  # as the garbage collector may call it at any time, also while it holds their lock
        assert ExecutePlanResponseReattachableIterator._release_thread_pool_instance is threads
