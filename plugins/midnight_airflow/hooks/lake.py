"""The lake of the chosen profile."""

from __future__ import annotations

from midnight.lake_files import LakeFiles, open_azure_lake, open_local_lake
from midnight.settings import Settings


def open_lake(settings: Settings) -> LakeFiles:
    """The lake that ``settings.paths`` points into.

    In Azure the worker's own identity is used, unless ``MIDNIGHT_LAKE_CONNECTION`` names an Airflow connection: its
    login and password are the client id and secret of a service principal, its extra has ``tenantId``.

    Raises:
        airflow.sdk.exceptions.AirflowNotFoundException: there is no such connection.
    """
    if settings.profile == "local":
        return open_local_lake()
    if not settings.lake_connection:
        return open_azure_lake(settings.storage_account, {})
    from airflow.sdk import Connection

    connection = Connection.get(settings.lake_connection)
    credential = {
        "tenant_id": connection.extra_dejson.get("tenantId"),
        "client_id": connection.login,
        "client_secret": connection.password,
    }
    return open_azure_lake(settings.storage_account, {name: value for name, value in credential.items() if value})
