"""The job that builds gold from silver.

Run as ``python -m spark_jobs.silver_to_gold '{"run_document": "…", "engine": "sail"}'`` or as the wheel's
``midnight-silver-to-gold``.
"""

from __future__ import annotations

from spark_jobs.gold.run import build_gold
from spark_jobs.runtime import job


def run() -> None:
    """Entry point of the wheel."""
    job.run(build_gold, "silver_to_gold")


if __name__ == "__main__":
    run()
