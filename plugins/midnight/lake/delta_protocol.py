"""Checks that every reader of gold can read a Delta table: Synapse serverless supports reader version 1 only.

Sources: Synapse's limits at https://learn.microsoft.com/azure/synapse-analytics/sql/query-delta-lake-format, protocol
and features at https://github.com/delta-io/delta/blob/master/PROTOCOL.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

READER_VERSION = 1
WRITER_VERSION = 2

# Of the files of a local lake: rewriting one takes less than half a second, and a hundred have 1.6 GB.
FILE_BYTES = 16 * 1024 * 1024

# Set on every table that is read outside Spark, because a Databricks workspace setting may enable each feature.
TABLE_PROPERTIES = {
    "delta.minReaderVersion": str(READER_VERSION),
    "delta.minWriterVersion": str(WRITER_VERSION),
    "delta.enableDeletionVectors": "false",
    "delta.columnMapping.mode": "none",
    "delta.checkpointPolicy": "classic",
    "delta.enableRowTracking": "false",
    "delta.enableInCommitTimestamps": "false",
}


def protocol_problems(log_lines: Iterable[str]) -> list[str]:
    """The reasons why Synapse serverless cannot read a table; empty if it can.

    Args:
        log_lines: lines of the JSON commits below ``_delta_log``, oldest first; lines without a protocol or metadata
            action are ignored.
    """
    protocol: dict[str, Any] = {}
    metadata: dict[str, Any] = {}
    for line in log_lines:
        action = json.loads(line)
        protocol = action.get("protocol") or protocol
        metadata = action.get("metaData") or metadata
    if not protocol or not metadata:
        return ["the Delta log has no protocol or no metadata"]
    problems = []
    reader, writer = protocol.get("minReaderVersion"), protocol.get("minWriterVersion")
    features = sorted({*(protocol.get("readerFeatures") or ()), *(protocol.get("writerFeatures") or ())})
    if (reader, writer) != (READER_VERSION, WRITER_VERSION):
        feature_list = f" (features {', '.join(features)})" if features else ""
        problems.append(f"reader version {reader} and writer version {writer}{feature_list} instead of 1 and 2")
    properties = metadata.get("configuration") or {}
    for name in ("delta.enableDeletionVectors", "delta.columnMapping.mode", "delta.checkpointPolicy"):
        value = str(properties.get(name, TABLE_PROPERTIES[name]))
        if value.lower() != TABLE_PROPERTIES[name]:
            problems.append(f"{name} = {value!r} instead of {TABLE_PROPERTIES[name]!r}")
    fields = json.loads(metadata.get("schemaString") or "{}").get("fields", [])
    without_zone = [field["name"] for field in fields if field["type"] == "timestamp_ntz"]
    if without_zone:
        problems.append(f"TIMESTAMP_NTZ in {', '.join(without_zone)}; the type must be TIMESTAMP")
    return problems
