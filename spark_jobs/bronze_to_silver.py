"""The job that brings sealed bronze batches into silver.

Run as ``python -m spark_jobs.bronze_to_silver '{"run_document": "…", "engine": "sail"}'`` or as the wheel's
``midnight-bronze-to-silver``.
"""

from __future__ import annotations

from spark_jobs.runtime import job
from spark_jobs.silver.run import build_silver


def run() -> None:
    """Entry point of the wheel."""
    job.run(build_silver, "bronze_to_silver", masks=True)


if __name__ == "__main__":
    run()
