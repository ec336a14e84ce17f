"""Counts the jobs of the local Apache Spark."""

from __future__ import annotations


def count_spark_jobs() -> int:
    """Jobs that the running Apache Spark has started, by its own count."""
    from pyspark import SparkContext

    context = SparkContext._active_spark_context
    assert context is not None
    return int(context._jsc.sc().dagScheduler().numTotalJobs())
