"""All checks of the azure profile: the vault first, then in parallel every service whose connection it holds."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from cli.checks import (
    azure,
    azure_connections,
    azure_data_factory,
    azure_databricks,
    azure_power_bi,
    azure_quota,
    source,
    synapse,
)
from cli.checks.finding import Check, Finding, only_for, run_checks
from cli.checks.sign_ins import tell_once
from midnight.configuration.connections import (
    DATA_FACTORY_CONNECTION,
    DATABRICKS_CONNECTION,
    POWER_BI_CONNECTION,
    SOURCE_CONNECTION,
    SYNAPSE_CONNECTION,
    check_connection_ids,
)
from midnight.configuration.files import Configuration
from midnight.errors import ConfigurationError, Diagnosis
from midnight.masking import KEY_VARIABLE, parse_key, uses_masking
from midnight.settings import Settings

if TYPE_CHECKING:
    from airflow.sdk import Connection

SECONDS = 20
# For the vault and then the services: doctor must end within a minute, and its start takes the rest of it.
ALL_SECONDS = 50
# Imported before the parallel checks: threads that import the same package at once may see it half initialised.
_SHARED = (
    "azure.identity.aio",
    "azure.core.rest",
    "azure.keyvault.secrets",
    "azure.storage.blob",
    "httpcore",
    "anyio._backends._asyncio",
    "airflow.providers.databricks.hooks.databricks",
    "airflow.providers.microsoft.azure.hooks.data_factory",
    "airflow.providers.microsoft.azure.hooks.powerbi",
)
# Data Factory's copy of the source's password (include/adf/linkedService/).
SOURCE_PASSWORD = "source-password"  # noqa: S105 - a name


def check_azure(settings: Settings, loaded: Configuration | None) -> list[Finding]:
    """Everything that a run in Azure needs.

    Args:
        settings: of the azure profile.
        loaded: the configuration; None when it has errors.
    """
    deadline = time.monotonic() + ALL_SECONDS
    source_id = loaded.pipeline.source.connection if loaded else SOURCE_CONNECTION
    findings = _connection_names(settings, source_id)
    usable, found = azure_connections.find_connections(azure_connections.wanted_connections(settings, source_id))
    for module in _SHARED if usable else ():
        import_module(module)
    services = run_checks(_checks(settings, loaded, source_id, usable), deadline=deadline)
    return [*findings, *found, *tell_once(services, _logins(settings, usable))]


def _logins(settings: Settings, usable: dict[str, Connection]) -> dict[str, tuple[str, str]]:
    """Name of a service's findings -> its connection, and the client id in it."""
    connections = {
        "lake": settings.lake_connection,
        "Databricks": DATABRICKS_CONNECTION,
        "vCPU quota": DATA_FACTORY_CONNECTION,
        "Data Factory": DATA_FACTORY_CONNECTION,
        "Synapse": SYNAPSE_CONNECTION,
        "Power BI": POWER_BI_CONNECTION,
    }
    return {
        name: (id_, str(usable[id_].login)) for name, id_ in connections.items() if id_ in usable and usable[id_].login
    }


def _connection_names(settings: Settings, source_id: str) -> list[Finding]:
    try:
        check_connection_ids(source_id, settings.lake_connection)
    except ConfigurationError as error:
        return [Finding("connection names", "fail", Diagnosis.parse(str(problem))) for problem in error.problems]
    return []


def _checks(
    settings: Settings, loaded: Configuration | None, source_id: str, usable: dict[str, Connection]
) -> list[Check]:
    checks: list[Check] = []
    masked = loaded is not None and uses_masking(loaded.tables)

    def add(name: str, connection_id: str, run: Callable[[], Sequence[Finding]]) -> None:
        if connection_id in usable:
            checks.append(Check(name, run, SECONDS))

    if loaded is not None:
        add("source", source_id, lambda: _check_source(settings, loaded, source_id, usable[source_id]))
        if usable and masked:
            checks.append(Check("masking key", check_masking_key, SECONDS))
    if not settings.lake_connection or settings.lake_connection in usable:
        lake = usable.get(settings.lake_connection)
        checks.append(Check("lake", partial(azure.check_lake, settings, lake), SECONDS))
    databricks, factory = DATABRICKS_CONNECTION, DATA_FACTORY_CONNECTION
    pipeline = loaded.pipeline if loaded else None
    check_job = partial(azure_databricks.check_databricks, settings, databricks, pipeline, masked=masked)
    add("Databricks", databricks, check_job)
    if settings.adf_factory and factory in usable:  # the connection that names the subscription
        add("vCPU quota", databricks, partial(azure_quota.check_quota, settings, databricks, factory))
    if settings.adf_factory:
        add("Data Factory", factory, partial(azure_data_factory.check_data_factory, settings, factory, pipeline))
        add("source password", source_id, lambda: check_source_password(settings, usable[source_id]))
    add("Synapse", SYNAPSE_CONNECTION, partial(synapse.check_synapse, settings, SYNAPSE_CONNECTION))
    if settings.powerbi_dataset_id:
        add(
            "Power BI",
            POWER_BI_CONNECTION,
            lambda: azure_power_bi.check_power_bi(settings, usable[POWER_BI_CONNECTION]),
        )
    return checks


def check_masking_key() -> list[Finding]:
    """Airflow can read the masking key, and it is strong enough. (The job reads it from a secret scope.)"""

    def describe(text: str) -> str:
        return f"fingerprint {parse_key(text).fingerprint}"

    return azure_connections.check_variable(KEY_VARIABLE, "the pseudonyms of masked columns", describe)


def _check_source(
    settings: Settings, loaded: Configuration, source_id: str, connection: Connection
) -> Sequence[Finding]:
    address = source.address_of(source.fields_of(connection), source_id)
    # Data Factory reads through its own runtime: this machine does not need access to the database.
    return only_for(
        "operator",
        settings.ingest,
        source.check_source(address, loaded, None, data_factory=settings.ingest == "adf"),
        " from here",
    )


def check_source_password(settings: Settings, connection: Connection) -> list[Finding]:
    """Data Factory's copy of the source's password exists, and equals the one in the connection."""
    backend, _ = azure_connections.open_backend(os.environ)
    client: Any = getattr(backend, "client", None)
    if client is None:
        return []
    name = "source password"
    refuse = Finding.fail if settings.ingest == "adf" else Finding.warn
    from azure.core.exceptions import AzureError, ResourceNotFoundError

    from midnight_airflow import key_vault

    try:
        value = client.get_secret(SOURCE_PASSWORD).value
    except ResourceNotFoundError:
        hint = "store the password of the source connection's user in it (docs/azure.md, step 3)"
        return [refuse(name, f"Key Vault has no secret {SOURCE_PASSWORD!r} for Data Factory", hint)]
    except AzureError as error:
        reason = key_vault.explain(error, SOURCE_PASSWORD).diagnosis
        return [refuse(name, reason.found, reason.hint)]
    if value != connection.password:
        found = f"the secret {SOURCE_PASSWORD!r} and the password of {connection.conn_id!r} differ"
        return [Finding.warn(name, found, "rotate both together (docs/runbook.md), unless they belong to two users")]
    return [Finding.ok(name, f"{SOURCE_PASSWORD!r} equals that of {connection.conn_id!r}")]
