"""`midnight publish-power-bi`: publish the Power BI model and report (docs/power-bi.md)."""

from __future__ import annotations

import logging

from cli.checks.azure_connections import WantedConnection, find_connections
from midnight.configuration.connections import POWER_BI_CONNECTION, POWER_BI_READER_CONNECTION
from midnight.errors import ReportPublicationError
from midnight.powerbi.data_source import ServicePrincipal
from midnight.powerbi.model.semantic_model import build_model
from midnight.powerbi.publish import Target, publish_report
from midnight.powerbi.rest_api import RestApi
from midnight.settings import load_settings


def main(*, workspace: str, server: str, database: str | None, connection: str, as_person: bool) -> int:
    """Publish; a second time it updates what is there.

    Args:
        workspace: id or name.
        server: Synapse endpoint.
        database: of Synapse; None for the one in the settings.
        connection: of Fabric, to Synapse.
        as_person: sign in as the person of ``az login`` instead of as Airflow.

    Raises:
        ConfigurationError: ``model.yml`` or what it refers to is wrong.
        ReportPublicationError: which request was refused, why, and what to do.
    """
    settings = load_settings()
    # Azure's clients log each way to sign in that they try.
    logging.getLogger("azure").setLevel(logging.CRITICAL)

    def log(line: str) -> None:
        print(f"✓ {line}", flush=True)

    model = build_model(settings.config)
    api = _api(as_person=as_person)
    reader, reason = _service_principal(POWER_BI_READER_CONNECTION)
    if reader is None:
        print(f"! {reason}\n  the connection {connection!r} is used unchanged", flush=True)
    target = Target(workspace, server, database or settings.synapse_database, connection, reader)
    published = publish_report(model, target, api, log)
    print(f"MIDNIGHT_POWERBI_GROUP_ID={published.workspace_id}")
    print(f"MIDNIGHT_POWERBI_DATASET_ID={published.model_id}")
    kind = "enhanced" if published.on_capacity else "plain (shared capacity: at most 8 a day)"
    print(f"the next run refreshes it; its refreshes are {kind}")
    return 0


def _api(*, as_person: bool) -> RestApi:
    from azure.identity import AzureCliCredential, ClientSecretCredential

    if as_person:
        return RestApi(AzureCliCredential(), "you (az login)")
    principal, reason = _service_principal(POWER_BI_CONNECTION)
    if principal is None:
        raise ReportPublicationError(reason + ", or run the command with --as-person after az login")
    credential = ClientSecretCredential(principal.tenant_id, principal.client_id, principal.client_secret)
    return RestApi(credential, f"the service principal {principal.client_id!r} of {POWER_BI_CONNECTION!r}")


def _service_principal(connection_id: str) -> tuple[ServicePrincipal | None, str]:
    """A principal from Airflow's secrets backend, or None and why there is none."""
    wanted = WantedConnection(connection_id, "Power BI", ("login", "password"))
    usable, findings = find_connections([wanted])
    connection = usable.get(connection_id)
    if connection is None:
        reasons = [f"{finding.name}: {finding.diagnosis}" for finding in findings if finding.state == "fail"]
        return None, "; ".join(reasons)
    tenant = connection.extra_dejson.get("tenant_id", "")
    if not tenant:
        return None, f"the connection {connection_id!r} has no tenant_id in extra; hint: add it (docs/power-bi.md)"
    return ServicePrincipal(tenant, str(connection.login), str(connection.password)), ""
