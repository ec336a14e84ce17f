"""``include/pipeline.yml`` for a new source."""

from __future__ import annotations

from midnight.configuration_check.json_schemas import modeline
from midnight.scaffold.table_plan import GROUP
from midnight.scaffold.yaml_text import comment, scalar


def render_pipeline(*, source_name: str, connection_id: str, timezone: str, database: str) -> str:
    """Text of ``pipeline.yml``.

    Args:
        source_name: folder of the source in bronze.
        connection_id: Airflow connection that holds host, user and password.
        timezone: IANA name; a run starts at its midnight.
        database: for the comment.
    """
    head = comment(
        f"Source and schedule of the database {database!r}. Each table has its own file in tables/. "
        "docs/configuration.md describes every field."
    )
    body = f"""
source:
  # Folder of this source in bronze. A new name starts a new history.
  name: {scalar(source_name)}
  # Airflow connection with host, user and password.
  connection: {scalar(connection_id)}

schedule:
  # null switches the schedule off.
  cron: "0 0 * * *"
  timezone: {scalar(timezone)}

# The tables of a group are read in one snapshot, so that an order never arrives without its customer.
# Give large tables without foreign keys a group of their own.
groups:
  - name: {GROUP}
    # Connections that read in parallel.
    connections: 2

owner: data-engineering
tags: [midnight]
retries: 2
retry_delay_seconds: 60
timeout_minutes: 240
"""
    return "\n".join([modeline("pipeline"), *head]) + "\n" + body
