"""The lake of the current profile."""

from __future__ import annotations

from typing import TYPE_CHECKING

from midnight.errors import LakeError
from midnight.lake.files import LakeFiles, open_local_lake
from midnight.lake.paths import check_lake_path
from midnight.retry import RetryPolicy
from midnight.settings import Settings

if TYPE_CHECKING:
    from airflow.sdk import Connection

    from midnight.lake.azure.credential import LakeCredential


# What a run does not depend on (its summary, its costs, an alert) must not delay it while the lake cannot be reached.
BRIEFLY = RetryPolicy(timeout=5)
# Of one request, where another policy than the lake's own is asked for.
_BRIEF_REQUESTS = {"connection_timeout": 5.0, "read_timeout": 10.0}


def open_lake(settings: Settings, retry_policy: RetryPolicy | None = None) -> LakeFiles:
    """The lake that ``settings.paths`` points into. Makes no request itself.

    In Azure the worker's own identity is used, unless ``MIDNIGHT_LAKE_CONNECTION`` names an Airflow connection
    (``lake_credential``).

    Args:
        settings: of the instance.
        retry_policy: how long a request to Azure is repeated; the lake's own by default.

    Raises:
        LakePathError: the engine cannot keep tables there (local profile).
        LakeError: the connection is incomplete.
        airflow.sdk.exceptions.AirflowNotFoundException: the connection does not exist.
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
    options = {} if retry_policy is None else _BRIEF_REQUESTS
    return AzureLakeFiles(settings.storage_account, credential, retry_policy, **options)


def lake_credential(connection: Connection, name: str) -> LakeCredential:
    """The lake's credential from an Airflow connection.

    Either the extra ``connection_string``; or a service principal (login: client id, password: client secret, extra
    ``tenantId``); or the extra ``managed_identity_client_id`` alone.

    Args:
        connection: an Airflow connection of any type.
        name: its id, for error messages.

    Raises:
        LakeError: a field is missing.
    """
    from airflow.sdk.log import mask_secret

    from midnight.lake.azure.credential import LakeCredential

    extra = connection.extra_dejson
    # The names that the Azure provider uses.
    tenant, text, managed = (
        str(extra.get(key) or "") for key in ("tenantId", "connection_string", "managed_identity_client_id")
    )
    if text:
        credential = LakeCredential(connection_string=text, name=name)
        for secret in credential.secrets:
            mask_secret(secret)
        return credential
    if managed and not connection.password:
        return LakeCredential(client_id=managed, name=name)
    values = {"tenantId": tenant, "login": connection.login, "password": connection.password}
    missing = [field for field, value in values.items() if not value]
    if missing:
        raise LakeError(
            f"Airflow connection {name!r} has no {', '.join(missing)}; hint: it needs login (client id), password "
            '(client secret) and the extra {"tenantId": "…"}, or the extra {"connection_string": "…"}, or the extra '
            '{"managed_identity_client_id": "…"}'
        )
    return LakeCredential(tenant, str(connection.login), str(connection.password), name=name)
