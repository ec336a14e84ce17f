"""The azure profile's services: each is asked something harmless, with the hook or client that the DAG uses.

Nothing is changed. That the lake can be written is shown by a write whose condition can never hold: Azure Storage
checks the permission first (403 without it), the condition second (412 with it).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from local.checks.finding import Finding, first_line
from local.wheel import WHEEL_NAME, wheel_name
from midnight.settings import REPOSITORY, Settings

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
            return Finding(name, "ok", f"container of {account}, can be written")
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


def check_databricks(settings: Settings, connection_id: str) -> list[Finding]:
    """The workspace answers, and has the wheel.

    Args:
        settings: name the wheel.
        connection_id: Airflow connection of the workspace.
    """
    from airflow.providers.databricks.hooks.databricks import DatabricksHook  # noqa: PLC0415 - azure profile only

    hook = DatabricksHook(connection_id, timeout_seconds=SECONDS, retry_limit=1, caller="Midnight.doctor")
    works, message = hook.test_connection()
    if not works:
        return [
            Finding("Databricks", "fail", message.splitlines()[0][:300], f"correct the connection {connection_id!r}")
        ]
    result = [Finding("Databricks", "ok", "the workspace answers")]
    wheel = settings.databricks_wheel
    folder = wheel.rpartition("/")[0]
    cure = "make publish-wheel, and set MIDNIGHT_DATABRICKS_WHEEL as it says"
    try:
        if wheel.startswith("/Volumes/"):
            found = hook._do_api_call(("GET", f"2.0/fs/directories{folder}")).get("contents", [])
            present = any(entry.get("path") == wheel for entry in found)
        elif wheel.startswith("/Workspace/"):
            path = wheel.removeprefix("/Workspace")
            present = bool(hook._do_api_call(("GET", "2.0/workspace/get-status"), {"path": path}).get("path"))
        else:
            return [*result, Finding("wheel", "warn", f"{wheel} cannot be looked up from here", "keep it in /Volumes/")]
    except Exception as error:  # noqa: BLE001 - the hook's errors depend on the way of logging in
        return [*result, Finding("wheel", "fail", f"{wheel}: {first_line(error)}", cure)]
    if not present:
        return [*result, Finding("wheel", "fail", f"{wheel} is not there", cure)]
    name = wheel.rpartition("/")[2]
    built = wheel_name() if (REPOSITORY / "pyproject.toml").exists() else name  # the container image has none
    if name != built and WHEEL_NAME.fullmatch(name):
        return [*result, Finding("wheel", "warn", f"{name} was built from other sources than these ({built})", cure)]
    return [*result, Finding("wheel", "ok", wheel)]


def check_data_factory(settings: Settings, connection_id: str) -> list[Finding]:
    """The factory has the pipeline that copies."""
    from airflow.providers.microsoft.azure.hooks.data_factory import AzureDataFactoryHook  # noqa: PLC0415
    from azure.core.exceptions import AzureError, ResourceNotFoundError  # noqa: PLC0415

    place = f"{settings.adf_pipeline!r} of {settings.adf_resource_group}/{settings.adf_factory}"
    hook = AzureDataFactoryHook(connection_id)
    try:
        hook.get_conn().pipelines.get(settings.adf_resource_group, settings.adf_factory, settings.adf_pipeline)
    except ResourceNotFoundError:
        cure = "deploy include/adf, or correct MIDNIGHT_ADF_PIPELINE, _FACTORY and _RESOURCE_GROUP"
        return [Finding("Data Factory", "fail", f"pipeline {place} does not exist", cure)]
    except (AzureError, ValueError) as error:
        cure = f"correct the connection {connection_id!r}; its identity needs the role Data Factory Contributor"
        return [Finding("Data Factory", "fail", f"pipeline {place}: {first_line(error)}", cure)]
    return [Finding("Data Factory", "ok", f"pipeline {place}")]


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


def check_power_bi(settings: Settings, connection_id: str) -> list[Finding]:
    """The dataset can be seen and refreshed."""
    from airflow.providers.microsoft.azure.hooks.powerbi import PowerBIHook  # noqa: PLC0415 - azure profile only

    hook = PowerBIHook(conn_id=connection_id, timeout=SECONDS)
    name = {"group_id": settings.powerbi_group_id, "dataset_id": settings.powerbi_dataset_id}
    try:
        answer = asyncio.run(hook.run(url="myorg/groups/{group_id}/datasets/{dataset_id}", path_parameters=name))
    except Exception as error:  # noqa: BLE001 - Kiota, httpx and Airflow have their own errors each
        cure = "make the service principal a Contributor of the workspace; correct MIDNIGHT_POWERBI_*"
        return [Finding("Power BI", "fail", f"dataset {settings.powerbi_dataset_id}: {first_line(error)}", cure)]
    if answer.get("isRefreshable") is False:
        return [
            Finding("Power BI", "fail", f"{answer.get('name')} cannot be refreshed", "publish include/powerbi again")
        ]
    return [Finding("Power BI", "ok", f"dataset {answer.get('name')}")]
