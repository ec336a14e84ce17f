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
        timezone: IANA name; the run starts at its midnight.
        database: for the comment.
    """
    head = comment(
        f"What the nightly run loads from the database {database!r}, and when. Each table has its own file in tables/. "
        "docs/configuration.md says what every field does."
    )
    body = f"""
source:
  # Folder of this source in bronze. A new name begins a new history.
  name: {scalar(source_name)}
  # Airflow connection with host, user and password: never written here.
  connection: {scalar(connection_id)}

schedule:
  # null switches the schedule off.
  cron: "0 0 * * *"
  timezone: {scalar(timezone)}

# The tables of a group are read inside one snapshot of the database, so that an order never comes without its customer.
# One group for all is the safe start. A group of its own suits large tables that refer to no other.
groups:
  - name: {GROUP}
    # Connections that read at the same time.
    connections: 2

owner: data-engineering
tags: [midnight]
retries: 2
retry_delay_seconds: 60
timeout_minutes: 240
"""
    return "\n".join([modeline("pipeline"), *head]) + "\n" + body
