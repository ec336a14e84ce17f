"""What decides whether a model has to be built again: its definition and the content of its inputs."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from pyspark.sql import Window
from pyspark.sql import functions as F

from midnight.silver_to_gold.models import GoldModel
from spark_jobs.runtime.delta_tables import load_table

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# Part of every definition: raise it when the same query and contract give a different table.
JOB_FORMAT = 1


def definition_hash(model: GoldModel) -> str:
    """Identifies the query and the contract, without the descriptions."""
    contract = model.contract
    columns = [(column.name, column.type, column.max_length) for column in contract.columns]
    checks = [check.model_dump(mode="json", exclude={"description"}) for check in contract.checks]
    text = json.dumps([JOB_FORMAT, model.sql, contract.key, columns, checks], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def silver_contents(spark: SparkSession, ledger_path: str) -> dict[str, str]:
    """Silver table -> what identifies its content: the last entry of the ledger that may have changed it.

    An entry may have changed its table if it was applied with inserted, updated or deleted rows, if it failed, or if it
    was started and has no end (the job was killed; the next attempt may then find no changes). A Delta version would
    serve as well, but no statement that every engine supports returns it.
    """
    ledger = load_table(spark, ledger_path)
    if ledger is None:
        return {}
    order = Window.partitionBy("table").orderBy("attempt_at", F.when(F.col("status") == "started", 0).otherwise(1))
    changes = F.col("inserted") + F.col("updated") + F.col("deleted")
    killed = (F.col("status") == "started") & (F.coalesce(F.col("next_status"), F.lit("started")) == "started")
    may_have_changed = ((F.col("status") == "applied") & (changes > 0)) | (F.col("status") == "failed") | killed
    last = (
        ledger.withColumn("next_status", F.lead("status").over(order))
        .where(may_have_changed)
        .groupBy("table")
        .agg(F.max(F.struct("attempt_at", "batch_id")).alias("last"))
    )
    rows = last.select("table", F.date_format("last.attempt_at", "yyyy-MM-dd'T'HH:mm:ss.SSSSSS").alias("at"), "last")
    return {row["table"]: f"{row['last']['batch_id']}@{row['at']}" for row in rows.collect()}
