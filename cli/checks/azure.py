"""The lake of the azure profile: each container gets a harmless request from the client that the DAG uses.

Nothing is changed. The permission to write is proved by a write whose condition can never hold: Azure Storage checks
the permission first (403 without it), then the condition (412).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cli.checks.finding import NETWORK_HINT, Finding
from midnight.errors import first_line
from midnight.settings import Settings

if TYPE_CHECKING:
    from airflow.sdk import Connection

LAYERS = ("bronze", "silver", "gold")
SECONDS = 8


def check_lake(settings: Settings, connection: Connection | None) -> list[Finding]:
    """The three containers exist and can be written, by the client and the identity that the tasks use.

    Args:
        settings: names the account.
        connection: ``MIDNIGHT_LAKE_CONNECTION``; None for the machine's own identity.
    """
    from azure.core.exceptions import AzureError

    from midnight.errors import LakeError
    from midnight.lake.azure.credential import STORAGE_SCOPE, LakeCredential
    from midnight.lake.azure.retries import reason_of
    from midnight_airflow.hooks.lake import lake_credential

    hint = "give the machine a managed identity, or set AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET"
    if connection is not None:
        hint = f"correct the connection {settings.lake_connection!r} (login, password, tenantId in extra)"
    try:
        credential = LakeCredential()
        if connection is not None:
            credential = lake_credential(connection, settings.lake_connection)
        if not credential.connection_string:
            quick = {"retry_total": 0, "connection_timeout": 5, "read_timeout": 5}
            credential.token_credential(**quick).get_token(STORAGE_SCOPE)
        service = credential.blob_service(
            settings.storage_account, retry_total=0, connection_timeout=SECONDS, read_timeout=SECONDS
        )
    except LakeError as error:
        return [Finding.fail("lake", str(error), hint)]
    except AzureError as error:
        return [Finding.fail("lake", f"no identity: {reason_of(error)}", hint)]
    with service:
        first = check_container(service, LAYERS[0])
        if first.hint.startswith(NETWORK_HINT):
            return [replace(first, name="lake")]  # the others are unreachable as well
        return [first, *(check_container(service, layer) for layer in LAYERS[1:])]


def check_container(service: Any, layer: str) -> Finding:
    """One container.

    Args:
        service: a ``BlobServiceClient``.
        layer: name of the container.
    """
    from azure.core import MatchConditions
    from azure.core.exceptions import AzureError, HttpResponseError

    from midnight.lake.azure.retries import code_of, mask

    name, account = f"lake {layer}", service.account_name
    blob = service.get_blob_client(layer, "_midnight_doctor")
    try:
        # No blob has this ETag: the write is refused whether the blob exists or not.
        blob.upload_blob(b"", overwrite=True, etag='"0x0"', match_condition=MatchConditions.IfNotModified)
    except HttpResponseError as error:
        code = code_of(error) or error.status_code
        if error.status_code == 412:
            return _check_reading(service, layer)
        if error.status_code == 404:
            return Finding.fail(
                name, f"{account} has no container {layer!r}", f"create it: infra/ has all three ({code})"
            )
        if error.status_code in (401, 403):
            hint = (
                "give this identity the role Storage Blob Data Contributor, and let this machine through the firewall"
            )
            return Finding.fail(name, f"{account} refuses to write ({error.status_code} {code})", hint)
        return Finding.fail(
            name, f"{account}: {code}: {mask(first_line(error))}", "see the code in Azure's documentation"
        )
    except AzureError as error:
        hint = f"{NETWORK_HINT}, MIDNIGHT_STORAGE_ACCOUNT, and the identity (AZURE_* variables)"
        return Finding.fail(name, f"{account} cannot be reached: {mask(first_line(error))}", hint)
    return Finding.warn(name, f"{account} ignores conditions", "is this Azure Storage?")


def _check_reading(service: Any, layer: str) -> Finding:
    from azure.core.exceptions import AzureError

    name, account = f"lake {layer}", service.account_name
    try:
        next(service.get_container_client(layer).list_blobs(results_per_page=1).by_page(), None)
    except AzureError as error:
        hint = "give this identity the role Storage Blob Data Contributor"
        return Finding.fail(name, f"{account} can be written, but not read: {first_line(error)}", hint)
    return Finding.ok(name, f"container of {account}, can be read and written")
