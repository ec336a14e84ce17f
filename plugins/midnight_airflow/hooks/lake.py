"""The lake of the chosen profile."""

from __future__ import annotations

from typing import TYPE_CHECKING

from midnight.errors import LakeError
from midnight.lake.files import LakeFiles, open_local_lake
from midnight.lake.paths import check_lake_path
from midnight.settings import Settings

if TYPE_CHECKING:
    from airflow.sdk import Connection

    from midnight.lake.azure.credential import LakeCredential

# The Azure provider's names of the extras, and ours of before.
_TENANT = ("tenantId", "tenant_id")
_CONNECTION_STRING = ("connection_string", "connectionString")
_MANAGED_IDENTITY = ("managed_identity_client_id",)


def open_lake(settings: Settings) -> LakeFiles:
    """The lake that ``settings.paths`` points into. No request is made before the first file.

    In Azure the worker's own identity is used, unless ``MIDNIGHT_LAKE_CONNECTION`` names an Airflow connection
    (``lake_credential``).

    Raises:
        LakePathError: the engine cannot keep tables there (local profile).
        LakeError: the connection is incomplete.
        airflow.sdk.exceptions.AirflowNotFoundException: there is no such connection.
    """
    if settings.profile == "local":
        check_lake_path(settings.engine, settings.paths.bronze)
        return open_local_lake()
    from midnight.lake.azure.credential import LakeCredential
    from midnight.lake.azure.files import AzureLakeFiles

    credential = LakeCredential()
    if settings.lake_connection:
        from airflow.sdk import Connection

        credential = lake_credential(Connection.get(settings.lake_connection), settings.lake_connection)
    return AzureLakeFiles(settings.storage_account, credential)


def lake_credential(connection: Connection, name: str) -> LakeCredential:
    """What a connection says about who reaches the lake.

    Either the extra ``connection_string``; or a service principal (login: client id, password: client secret, extra
    ``tenantId``); or the extra ``managed_identity_client_id`` alone.

    Args:
        connection: from Airflow; of any type.
        name: its id, for messages.

    Raises:
        LakeError: something is missing.
    """
    from airflow.sdk.log import mask_secret

    from midnight.lake.azure.credential import LakeCredential

    extra = connection.extra_dejson
    tenant, text, managed = (
        next((str(extra[key]) for key in keys if extra.get(key)), "")
        for keys in (_TENANT, _CONNECTION_STRING, _MANAGED_IDENTITY)
    )
    if text:
        credential = LakeCredential(connection_string=text, name=name)
        for secret in credential.secrets:
            mask_secret(secret)
        return credential
    if managed and not connection.password:
        return LakeCredential(client_id=managed, name=name)
    values = {"tenant_id": tenant, "client_id": connection.login, "client_secret": connection.password}
    missing = [field for field, value in values.items() if not value]
    if missing:
        raise LakeError(
            f"Airflow connection {name!r} lacks {', '.join(missing)}; it needs login (client id), password (client "
            'secret) and the extra {"tenantId": "…"}, or the extra {"connection_string": "…"}, or the extra '
            '{"managed_identity_client_id": "…"}'
        )
    return LakeCredential(tenant, str(connection.login), str(connection.password), name=name)
