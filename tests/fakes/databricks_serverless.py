"""Refuses in a job's process what serverless compute refuses, before it reaches the Spark server.

Executed in the job's process before its entry point; the repository is not on its path.

Sources: "Configure Spark properties for serverless notebooks and jobs"
(https://learn.microsoft.com/azure/databricks/spark/conf), "Serverless compute limitations"
(https://learn.microsoft.com/azure/databricks/compute/serverless/limitations), and for the error of an unknown property
https://github.com/databricks/databricks-sdk-py/issues/1112.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import Any, NoReturn

PROPERTIES = frozenset(
    {
        "spark.databricks.execution.timeout",
        "spark.sql.ansi.enabled",
        "spark.sql.files.maxPartitionBytes",
        "spark.sql.legacy.timeParserPolicy",
        "spark.sql.session.timeZone",
        "spark.sql.shuffle.partitions",
    }
)
# Methods of a DataFrame.
_NOT_SUPPORTED = (
    "cache",
    "persist",
    "checkpoint",
    "localCheckpoint",
    "createGlobalTempView",
    "createOrReplaceGlobalTempView",
)
_STATEMENT = re.compile(
    r"\s*(?:SET\s+(?P<property>[\w.]+)|CACHE\s+|CLEAR\s+CACHE|CREATE\s+.*GLOBAL\s+TEMP)", re.I | re.S
)
_FILE_FUNCTION = re.compile(r"\binput_file_name\s*\(", re.IGNORECASE)


def restrict() -> None:
    """Make the Spark Connect client of this process refuse what serverless compute refuses."""
    from pyspark.errors import AnalysisException
    from pyspark.sql.connect.conf import RuntimeConf
    from pyspark.sql.connect.dataframe import DataFrame
    from pyspark.sql.connect.session import SparkSession

    def refuse(text: str) -> NoReturn:
        raise AnalysisException(text)

    def checked(method: Callable[..., Any]) -> Callable[..., Any]:
        def call(self: Any, key: str, *others: Any) -> Any:
            # Spark's client itself reads properties that every Spark has.
            caller = str(sys._getframe(1).f_globals["__name__"])
            if key not in PROPERTIES and not caller.startswith("pyspark."):
                refuse(f"[CONFIG_NOT_AVAILABLE] Configuration {key} is not available. SQLSTATE: 42K0I")
            return method(self, key, *others)

        return call

    def unsupported(name: str) -> Callable[..., Any]:
        return lambda *_, **__: refuse(
            f"[NOT_SUPPORTED_WITH_SERVERLESS] {name} is not supported on serverless compute."
        )

    for name in ("get", "set", "unset"):
        setattr(RuntimeConf, name, checked(getattr(RuntimeConf, name)))
    for name in _NOT_SUPPORTED:
        setattr(DataFrame, name, unsupported(name))
    send = SparkSession.sql

    def sql(self: Any, query: str, *arguments: Any, **named: Any) -> Any:
        found = _STATEMENT.match(query)
        if found and found["property"] not in PROPERTIES:
            refuse(f"[CONFIG_NOT_AVAILABLE] {query!r} is not available. SQLSTATE: 42K0I")
        if _FILE_FUNCTION.search(query):
            refuse("[NOT_SUPPORTED_WITH_SERVERLESS] input_file_name is not supported; use _metadata.file_name")
        return send(self, query, *arguments, **named)

    session_class: Any = SparkSession  # its method is replaced by one with another signature
    session_class.sql = sql
