"""``python -m cli publish-power-bi``: publish the Power BI model and report (docs/power-bi.md)."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence

from cli.checks.azure_connections import WantedConnection, find_connections
from midnight.configuration.connections import POWER_BI_CONNECTION, POWER_BI_READER_CONNECTION
from midnight.errors import ReportPublicationError
from midnight.powerbi.data_source import ServicePrincipal
from midnight.powerbi.model.semantic_model import build_model
from midnight.powerbi.publish import Target, publish_report
from midnight.powerbi.rest_api import RestApi
from midnight.settings import load_settings

READER = "power_bi_reader"


def main(arguments: Sequence[str]) -> int:
    """Publish; a second time it updates what is there.

    Raises:
        ConfigurationError: ``model.yml`` or what it refers to is wrong.
        ReportPublicationError: says which request was refused, why, and what to do.
    """
    settings = load_settings()
    parser = argparse.ArgumentParser(prog="python -m cli publish-power-bi", description=__doc__)
    parser.add_argument("--workspace", default=settings.powerbi_group_id, help="id or name; default: .env's")
    parser.add_argument("--server", required=True, help="<workspace>-ondemand.sql.azuresynapse.net")
    parser.add_argument("--database", default=settings.synapse_database, help="default: %(default)s")
    parser.add_argument("--connection", default=READER, help="of Fabric, to Synapse; default: %(default)s")
    parser.add_argument("--as-person", action="store_true", help="sign in as you (az login), not as Airflow")
    given = parser.parse_args(arguments)
    if not given.workspace:
        parser.error("--workspace is missing, and MIDNIGHT_POWERBI_GROUP_ID is not set")
    # Azure's clients would tell of each way to sign in that they tried.
    logging.getLogger("azure").setLevel(logging.CRITICAL)

    def log(line: str) -> None:
        print(f"✓ {line}", flush=True)

    model = build_model(settings.config)
    api = _api(as_person=given.as_person)
    reader, reason = _service_principal(POWER_BI_READER_CONNECTION)
    if reader is None:
        print(f"! {reason}\n  the connection {given.connection!r} is taken as it is", flush=True)
    target = Target(given.workspace, given.server, given.database, given.connection, reader)
    published = publish_report(model, target, api, log)
    print(f"MIDNIGHT_POWERBI_GROUP_ID={published.workspace_id}")
    print(f"MIDNIGHT_POWERBI_DATASET_ID={published.model_id}")
    kind = "enhanced" if published.on_capacity else "plain (shared capacity: at most 8 a day)"
    print(f"the next run refreshes it; its refreshes are {kind}")
    return 0


def _api(*, as_person: bool) -> RestApi:
    from azure.identity import AzureCliCredential, ClientSecretCredential  # noqa: PLC0415 - azure profile only

    if as_person:
        return RestApi(AzureCliCredential(), "you (az login)")
    principal, reason = _service_principal(POWER_BI_CONNECTION)
    if principal is None:
        raise ReportPublicationError(f"{reason}; or run the command with --as-person after az login")
    credential = ClientSecretCredential(principal.tenant_id, principal.client_id, principal.client_secret)
    return RestApi(credential, f"the service principal {principal.client_id!r} of {POWER_BI_CONNECTION!r}")


def _service_principal(connection_id: str) -> tuple[ServicePrincipal | None, str]:
    """A principal from Airflow's secrets backend, or None and why there is none."""
    wanted = WantedConnection(connection_id, "Power BI", ("login", "password"))
    usable, findings = find_connections([wanted])
    connection = usable.get(connection_id)
    if connection is None:
        reasons = [f"{found.name}: {found.found}; hint: {found.hint}" for found in findings if found.state == "fail"]
        return None, "; ".join(reasons)
    tenant = connection.extra_dejson.get("tenant_id", "")
    if not tenant:
        return None, f"the connection {connection_id!r} has no tenant_id in extra; hint: add it (docs/power-bi.md)"
    return ServicePrincipal(tenant, str(connection.login), str(connection.password)), ""
