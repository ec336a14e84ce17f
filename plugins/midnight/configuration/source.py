"""The source database and its load groups, as ``include/pipeline.yml`` has them."""

from __future__ import annotations

from pydantic import Field, field_validator

from midnight.configuration.base import ConfigurationModel
from midnight.configuration.connections import LONGEST_CONNECTION_ID, SOURCE_CONNECTION, checked_connection_id


class Source(ConfigurationModel):
    """The source database.

    Args:
        name: folder of the source in bronze.
        connection: Airflow connection id of the PostgreSQL server.
    """

    name: str = Field(min_length=1)
    connection: str = Field(
        default=SOURCE_CONNECTION,
        min_length=1,
        json_schema_extra={"pattern": "^[0-9A-Za-z_-]+$", "maxLength": LONGEST_CONNECTION_ID},
    )

    _connection_fits_key_vault = field_validator("connection")(checked_connection_id)


class LoadGroup(ConfigurationModel):
    """A load group: tables that are read inside one snapshot.

    Args:
        name: used by the ``group`` of a table.
        connections: PostgreSQL connections that read in parallel.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9_]+$", max_length=100)
    connections: int = Field(default=2, ge=1, le=32)
