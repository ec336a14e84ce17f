"""The azure profile's lake and Synapse: each is asked something harmless, with the hook or client that the DAG uses.

Nothing is changed. That the lake can be written is shown by a write whose condition can never hold: Azure Storage
checks the permission first (403 without it), the condition second (412 with it).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from local.checks.finding import Finding, first_line
from midnight.settings import Settings

if TYPE_CHECKING:
    from airflow.sdk import Connection

LAYERS = ("bronze", "silver", "gold")
SYNAPSE_DRIVER = "ODBC Driver 18 for SQL Server"
STORAGE_SCOPE = "https://storage.azure.com/.default"
SECONDS = 15


def check_lake(settings: Settings, connection: Connection | None) -> list[Finding]:
    """The three containers exist and can be written.

    Args:
        settings: names the account.
        connection: of the lake's service principal; None for the machine's own identity.
    """
    from azure.core.exceptions import AzureError  # noqa: PLC0415
    from azure.identity import ClientSecretCredential, DefaultAzureCredential  # noqa: PLC0415 - azure profile only
    from azure.storage.blob import BlobServiceClient  # noqa: PLC0415

    quick = {"retry_total": 0, "connection_timeout": 5, "read_timeout": 5}
    credential: Any = DefaultAzureCredential(**quick)
    if connection is not None:
        tenant = connection.extra_dejson.get("tenantId", "")
        credential = ClientSecretCredential(tenant, connection.login or "", connection.password or "", **quick)
    try:
        credential.get_token(STORAGE_SCOPE)
    except AzureError as error:
        cure = (
            f"correct the connection {settings.lake_connection!r} (login, password, tenantId in extra)"
            if connection is not None
            else "give the machine a managed identity, or set AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET"
        )
        return [Finding("lake", "fail", f"no identity: {first_line(error)}", cure)]
    service = BlobServiceClient(
        f"https://{settings.storage_account}.blob.core.windows.net",
        credential,
        retry_total=1,
        connection_timeout=SECONDS,
        read_timeout=SECONDS,
    )
    with service:
        return [check_container(service, layer) for layer in LAYERS]


def check_container(service: Any, layer: str) -> Finding:
    """One container.

    Args:
        service: a ``BlobServiceClient``.
        layer: name of the container.
    """
    from azure.core import MatchConditions  # noqa: PLC0415 - azure profile only
    from azure.core.exceptions import AzureError, HttpResponseError  # noqa: PLC0415

    name, account = f"lake {layer}", service.account_name
    blob = service.get_blob_client(layer, "_midnight_doctor")
    try:
        # No blob has this ETag: the write is refused whatever is there.
        blob.upload_blob(b"", overwrite=True, etag='"0x0"', match_condition=MatchConditions.IfNotModified)
    except HttpResponseError as error:
        code = getattr(error, "error_code", None) or error.status_code
        if error.status_code == 412:
            return _check_reading(service, layer)
        if error.status_code == 404:
            return Finding(
                name, "fail", f"{account} has no container {layer!r}", f"create it: infra/ has all three ({code})"
            )
        if error.status_code in (401, 403):
            cure = (
                "give this identity the role Storage Blob Data Contributor, and let this machine through the firewall"
            )
            return Finding(name, "fail", f"{account} refuses to write ({error.status_code} {code})", cure)
        return Finding(name, "fail", f"{account}: {code}: {first_line(error)}", "see the code in Azure's documentation")
    except AzureError as error:
        cure = "check MIDNIGHT_STORAGE_ACCOUNT, DNS, firewall, and the identity (AZURE_* variables)"
        return Finding(name, "fail", f"{account} cannot be reached: {first_line(error)}", cure)
    return Finding(name, "warn", f"{account} ignores conditions", "is this Azure Storage?")


def _check_reading(service: Any, layer: str) -> Finding:
    from azure.core.exceptions import AzureError  # noqa: PLC0415 - azure profile only

    name, account = f"lake {layer}", service.account_name
    try:
        next(service.get_container_client(layer).list_blobs(results_per_page=1).by_page(), None)
    except AzureError as error:
        cure = "give this identity the role Storage Blob Data Contributor"
        return Finding(name, "fail", f"{account} can be written, but not read: {first_line(error)}", cure)
    return Finding(name, "ok", f"container of {account}, can be read and written")


def check_synapse(settings: Settings, connection_id: str) -> list[Finding]:
    """The ODBC driver is installed, and the serverless endpoint lets us in."""
    try:
        import pyodbc  # noqa: PLC0415 - needs libodbc
    except ImportError as error:
        cure = "install unixODBC (Debian: apt install libodbc2)"
        return [Finding("Synapse driver", "fail", f"pyodbc does not load: {first_line(error)}", cure)]
    if SYNAPSE_DRIVER not in pyodbc.drivers():
        found = f"{SYNAPSE_DRIVER} is not among {pyodbc.drivers()!r}"
        return [Finding("Synapse driver", "fail", found, "install Microsoft's package msodbcsql18")]
    from airflow.providers.odbc.hooks.odbc import OdbcHook  # noqa: PLC0415 - azure profile only

    hook = OdbcHook(
        odbc_conn_id=connection_id,
        database=settings.synapse_database,
        driver=SYNAPSE_DRIVER,
        connect_kwargs={"timeout": SECONDS},
    )
    driver = Finding("Synapse driver", "ok", SYNAPSE_DRIVER)
    try:
        allowed = hook.get_first("SELECT HAS_PERMS_BY_NAME(NULL, 'DATABASE', 'CREATE VIEW')")
    except pyodbc.Error as error:
        cure = f"correct the connection {connection_id!r}; create the database {settings.synapse_database!r} (infra/)"
        return [driver, Finding("Synapse", "fail", first_line(error), cure)]
    if not allowed or allowed[0] != 1:
        cure = "run include/sql/synapse/grants.*.sql as an administrator"
        return [driver, Finding("Synapse", "fail", f"may not make views in {settings.synapse_database!r}", cure)]
    return [driver, Finding("Synapse", "ok", f"may make views in {settings.synapse_database!r}")]
