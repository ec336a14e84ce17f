"""The address of the source database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from midnight.errors import SourceError

if TYPE_CHECKING:
    from midnight.postgres_to_bronze.source_address import SourceAddress


def source_address(connection_id: str) -> SourceAddress:
    """The source's address from an Airflow connection.

    Raises:
        SourceError: the connection is not of type postgres.
    """
    from airflow.sdk import Connection

    from midnight.postgres_to_bronze.source_address import ALLOWED_OPTIONS, DEFAULT_PORT, SourceAddress

    connection = Connection.get(connection_id)
    if connection.conn_type not in ("postgres", "postgresql"):
        raise SourceError(
            f"Airflow connection {connection_id!r} has type {connection.conn_type!r}; hint: the connection of the "
            "source must have type 'postgres'"
        )
    options = {key: str(value) for key, value in connection.extra_dejson.items() if key in ALLOWED_OPTIONS}
    return SourceAddress(
        host=connection.host or "localhost",
        port=connection.port or DEFAULT_PORT,
        database=connection.schema or connection.login or "postgres",
        user=connection.login or "postgres",
        password=connection.password or "",
        options=options,
        connection_id=connection_id,
    )
