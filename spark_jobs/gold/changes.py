"""What decides whether a model has to be built again: its definition and the content of its inputs."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from midnight.configuration.checks import DOCUMENTATION
from midnight.silver_to_gold.models import GoldModel
from midnight.silver_to_gold.silver_history import SilverHistory, silver_histories
from spark_jobs.silver.ledger import read_entries

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# Part of every definition: raise it when the same query and contract give a different table.
JOB_FORMAT = 1


def definition_hash(model: GoldModel) -> str:
    """Identifies the query and the contract, without descriptions, owners and links, which change no row."""
    contract = model.contract
    columns = [(column.name, column.type, column.max_length) for column in contract.columns]
    checks = [check.model_dump(mode="json", exclude=set(DOCUMENTATION)) for check in contract.checks]
    text = json.dumps([JOB_FORMAT, model.sql, contract.key, columns, checks], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def read_silver_histories(spark: SparkSession, ledger: str) -> dict[str, SilverHistory]:
    """What changed each silver table and when, from one read of the ledger.

    Args:
        spark: reads a ledger in Azure.
        ledger: ``LakePaths.ledger``.
    """
    return silver_histories(read_entries(spark, ledger))
