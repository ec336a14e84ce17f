"""How many jobs Apache Spark runs to build gold: they, not the rows, are the cost of small models."""

from __future__ import annotations

import pytest

from midnight.lake.paths import LakePaths
from spark_jobs.gold.run import build_gold
from tests.support.gold_lake import AS_WRITTEN, run_document, sample, write_silver
from tests.support.gold_models import FIRST, SECOND
from tests.support.spark_job_count import count_spark_jobs

JOBS_PER_MODEL = 5  # was 24, with 3 per query for each table, and one for each shuffle


@pytest.mark.spark
def test_jobs_per_model(spark_session, tmp_path):
    paths = LakePaths.below(str(tmp_path))
    write_silver(paths, sample(1))
    jobs = [count_spark_jobs()]
    for batch_id in (FIRST, SECOND):
        build_gold(spark_session, run_document(paths, batch_id, AS_WRITTEN))
        jobs.append(count_spark_jobs())
    first, unchanged = jobs[1] - jobs[0], jobs[2] - jobs[1]
    assert first <= JOBS_PER_MODEL * len(AS_WRITTEN)
    assert unchanged == 0
