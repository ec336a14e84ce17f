"""Everything that a job imports on a local engine, for a process that forks jobs (the job server).

The jobs import Spark inside functions, so that Airflow can read their modules without it. Importing starts no thread
and opens no connection, so that a child can be forked afterwards.
"""

from __future__ import annotations

import deltalake  # noqa: F401
import pyarrow.compute
import pyarrow.dataset
import pyarrow.parquet  # noqa: F401
import pyspark.sql.connect.functions
import pyspark.sql.connect.session
import pyspark.sql.connect.window
import pyspark.sql.functions  # noqa: F401
from pysail.spark import SparkConnectServer  # noqa: F401

import spark_jobs.gold.run
import spark_jobs.runtime.job
import spark_jobs.silver.run  # noqa: F401
