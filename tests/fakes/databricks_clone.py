"""Gives a job's process the statement DEEP CLONE, which neither Sail nor Apache Spark has.

Executed in the job's process before its entry point; the repository is not on its path.

Sources: "CREATE TABLE CLONE" (https://learn.microsoft.com/azure/databricks/sql/language-manual/delta-clone) and "Clone
a table on Azure Databricks" (https://learn.microsoft.com/azure/databricks/delta/clone): a deep clone copies the data,
the schema, the partitioning and the table properties of the source's newest version, and does not depend on it
afterwards.
"""

from __future__ import annotations

import json
import re
from typing import Any

_CLONE = re.compile(
    r"\s*CREATE\s+TABLE\s+delta\.`(?P<target>[^`]+)`\s+DEEP\s+CLONE\s+delta\.`(?P<source>[^`]+)`\s*", re.I
)


def add_deep_clone() -> None:
    """Make the Spark Connect client of this process execute DEEP CLONE between two paths."""
    from pyspark.errors import AnalysisException
    from pyspark.sql.connect.session import SparkSession

    send = SparkSession.sql

    def exists(session: Any, path: str) -> bool:
        try:
            return bool(session.read.format("delta").load(path).columns)
        except Exception:  # noqa: BLE001 - each engine raises its own class for a missing table
            return False

    def sql(self: Any, query: str, *arguments: Any, **named: Any) -> Any:
        found = _CLONE.fullmatch(query)
        if found is None:
            return send(self, query, *arguments, **named)
        source, target = found["source"], found["target"]
        if not exists(self, source):
            raise AnalysisException(f"[DELTA_CLONE_UNSUPPORTED_SOURCE] {source} is not a Delta table.")
        if exists(self, target):
            raise AnalysisException(f"[TABLE_OR_VIEW_ALREADY_EXISTS] Cannot create table delta.`{target}`.")
        log = self.read.text(f"{source}/_delta_log/*.json").collect()
        (metadata, *_) = [json.loads(line[0])["metaData"] for line in log if line[0].startswith('{"metaData"')]
        writer = self.read.format("delta").load(source).write.format("delta").options(**metadata["configuration"])
        return writer.partitionBy(*metadata["partitionColumns"]).mode("error").save(target)

    session_class: Any = SparkSession  # its method is replaced by one with another signature
    session_class.sql = sql
