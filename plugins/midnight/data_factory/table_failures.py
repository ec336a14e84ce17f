"""Which copies of a failed pipeline run failed because of their table, so that the others can be sealed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from midnight.bronze.stopped_tables import StoppedTable
from midnight.configuration.tables import Table
from midnight.data_factory.activity_runs import failure_messages

# SQLSTATE, as Npgsql begins its messages: no such table, column or schema, another kind of relation, no permission, an
# expression that no longer fits the column's type. Class 22 is of values: 22P02 is what the guards of our query raise,
# 22021 and 22P05 mean a text that the server cannot convert to UTF-8.
_OF_THE_TABLE = re.compile(r"\b(42P01|42703|3F000|42809|42501|42883|42804|42846|22[0-9A-Z]{3}): ")


def stopped_by_failures(
    activities: Sequence[Mapping[str, Any]], tables: Iterable[Table]
) -> tuple[StoppedTable, ...] | None:
    """The tables whose copies failed because they changed, or the role may not read them; None if anything else failed.

    Args:
        activities: of one pipeline run, one element per attempt.
        tables: that the run copied.
    """
    if any(activity["status"] not in ("Succeeded", "Failed") for activity in activities):
        return None  # a copy was cancelled, or has not ended
    stopped, explained = [], 0
    for table in tables:
        name = f"{table.schema_name}.{table.table}"
        own = [a for a in activities if str((a.get("userProperties") or {}).get("Table") or "") == name]
        messages = failure_messages(own)
        if messages and all(_OF_THE_TABLE.search(message) for message in messages):
            problems = tuple(f"{table.qualified_name}: Data Factory cannot copy it: {text}" for text in messages)
            stopped.append(StoppedTable(table=table.qualified_name, silver=table.silver, problems=problems))
            explained += len(messages)
    return tuple(stopped) if stopped and explained == len(failure_messages(activities)) else None
