"""The lake of the chosen profile."""

from __future__ import annotations

from typing import TYPE_CHECKING

from midnight.errors import LakeError
from midnight.lake_files import LakeFiles, open_azure_lake, open_local_lake
from midnight.lake_paths import check_lake_path
from midnight.settings import Settings

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

STORAGE_SCOPE = "https://storage.azure.com/.default"


def open_lake(settings: Settings) -> LakeFiles:
    """The lake that ``settings.paths`` points into.

    In Azure the worker's own identity is used, unless ``MIDNIGHT_LAKE_CONNECTION`` names an Airflow connection: its
    login and password are the client id and secret of a service principal, its extra has ``tenantId``.

    Raises:
        LakePathError: the engine cannot keep tables there (local profile).
        LakeError: Entra ID gives no token for the lake.
        airflow.sdk.exceptions.AirflowNotFoundException: there is no such connection.
    """
    if settings.profile == "local":
        check_lake_path(settings.engine, settings.paths.bronze)
        return open_local_lake()
    credential = _service_principal(settings.lake_connection) if settings.lake_connection else {}
    _check_identity(settings, credential)
    return open_azure_lake(settings.storage_account, credential)


def _service_principal(connection_id: str) -> dict[str, str]:
    from airflow.sdk import Connection

    connection = Connection.get(connection_id)
    values = {
        "tenant_id": connection.extra_dejson.get("tenantId"),
        "client_id": connection.login,
        "client_secret": connection.password,
    }
    missing = [name for name, value in values.items() if not value]
    if missing:
        raise LakeError(
            f"Airflow connection {connection_id!r} lacks {', '.join(missing)}; it needs login (client id), password "
            '(client secret) and the extra {"tenantId": "…"}'
        )
    return {name: str(value) for name, value in values.items()}


def _check_identity(settings: Settings, credential: dict[str, str]) -> None:
    """Ask for a token before pyarrow does: its C++ client ends the whole process when it gets none (pyarrow 26)."""
    from azure.core.exceptions import AzureError
    from azure.identity import ClientSecretCredential, DefaultAzureCredential

    asked: TokenCredential = ClientSecretCredential(**credential) if credential else DefaultAzureCredential()
    whose = f"the service principal in connection {settings.lake_connection!r}" if credential else "this machine"
    try:
        asked.get_token(STORAGE_SCOPE)
    except AzureError as error:
        first_line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise LakeError(
            f"Entra ID gives no token for the lake {settings.storage_account!r} to {whose}: {first_line}; check the "
            "identity (MIDNIGHT_LAKE_CONNECTION, AZURE_* variables, managed identity) and the way to Entra ID"
        ) from error
