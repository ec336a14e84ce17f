"""Counts what a piece of work asks of an engine: the requests of the client, and the jobs of local Apache Spark."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from unittest import mock

from pyspark.core.context import SparkContext
from pyspark.sql.connect.client import SparkConnectClient


@dataclass
class QueryCounts:
    """Requests that run something, requests that only analyze a plan, and Spark's own count of jobs (0 on Sail)."""

    executed: int = 0
    analyzed: int = 0
    jobs: int = 0


@contextlib.contextmanager
def counted_queries() -> Iterator[QueryCounts]:
    """The counts of the block; complete after it."""
    counts, lock = QueryCounts(), threading.Lock()

    def counting(name: str, field: str) -> Any:
        original = getattr(SparkConnectClient, name)

        def method(client: SparkConnectClient, *arguments: Any, **options: Any) -> Any:
            with lock:
                setattr(counts, field, getattr(counts, field) + 1)
            return original(client, *arguments, **options)

        return mock.patch.object(SparkConnectClient, name, method)

    before = _spark_jobs()
    with counting("_execute_and_fetch", "executed"), counting("_analyze", "analyzed"):
        yield counts
    counts.jobs = _spark_jobs() - before


def _spark_jobs() -> int:
    context = SparkContext._active_spark_context
    return 0 if context is None else context._jsc.sc().dagScheduler().numTotalJobs()
