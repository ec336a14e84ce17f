"""A session in a process that opens another one, or starts other programs."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

from pyspark.sql.connect.client.reattach import ExecutePlanResponseReattachableIterator

from midnight.settings import REPOSITORY
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


CHILDREN_WHILE_IT_WORKS = """
import subprocess, threading
from spark_jobs.runtime.session import open_session

ended = threading.Event()
with open_session("sail") as session:
    asking = threading.Thread(target=lambda: [session.range(1).collect() for _ in iter(ended.is_set, True)])
    asking.start()
    codes = {subprocess.run(["true"], preexec_fn=lambda: None).returncode for _ in range(30)}
    ended.set()
    asking.join()
print(codes)
"""


def test_grpc_does_nothing_in_the_forked_children_of_a_session():
    """It would start threads there, which fail when the child becomes another program, such as a JVM."""
    code = os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "plugins")])
    environment = {name: value for name, value in os.environ.items() if name != "GRPC_ENABLE_FORK_SUPPORT"}
    done = subprocess.run(
        [sys.executable, "-c", CHILDREN_WHILE_IT_WORKS],
        env=environment | {"PYTHONPATH": code},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout.strip(), "fork" in done.stderr) == ("{0}", False), done.stderr
