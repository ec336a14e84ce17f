"""A setup of the azure profile in which ``make doctor`` finds nothing wrong, for a test to break."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

from cli.checks import azure_services, source, synapse
from cli.checks.azure_connections import BACKEND, KEY_VAULT, KEYWORDS
from cli.checks.finding import Finding
from midnight.configuration.files import Configuration, load_configuration
from midnight.settings import Settings, load_settings
from tests.fakes.cloud import TENANT, Cloud
from tests.fakes.doctor_databricks import HOST, Workspace
from tests.fakes.doctor_services import ACCOUNT, Factory, Reports, Storage

PASSWORD = "canary~source/p@ss%word"


@dataclass
class Setup:
    """A cloud in which nothing is wrong, for the test to break."""

    cloud: Cloud
    workspace: Workspace
    factory: Factory
    reports: Reports
    storage: Storage
    settings: Settings
    loaded: Configuration

    def findings(self) -> dict[str, Finding]:
        """By name. Synapse has its own tests."""
        return {finding.name: finding for finding in azure_services.check_azure(self.settings, self.loaded)}

    def connection(self, name: str, **changes: Any) -> None:
        """Change fields of a connection."""
        key = f"airflow-connections-{name}"
        self.cloud.key_vault.values[key] = json.dumps(json.loads(self.cloud.key_vault.values[key]) | changes)


def complete_setup(
    cloud: Cloud,
    *,
    workspace: Workspace,
    factory: Factory,
    reports: Reports,
    storage: Storage,
    monkeypatch: pytest.MonkeyPatch,
) -> Setup:
    """Give Airflow's identity all rights, and this process the settings and connections of that cloud."""
    from airflow.sdk import configuration

    client, secret = cloud.client
    keywords = {"vault_url": "https://midnight-test.vault.azure.net/", "retry_backoff_factor": 0}
    for name, value in {
        BACKEND: KEY_VAULT,
        KEYWORDS: json.dumps(keywords | {"config_prefix": None}),
        "MIDNIGHT_PROFILE": "azure",
        "MIDNIGHT_STORAGE_ACCOUNT": ACCOUNT,
        "MIDNIGHT_LAKE_CONNECTION": "midnight_lake",
        "MIDNIGHT_DATABRICKS_JOB_ID": "7",
        "MIDNIGHT_ADF_RESOURCE_GROUP": "group",
        "MIDNIGHT_ADF_FACTORY": "factory",
        "MIDNIGHT_INGEST": "adf",
        "MIDNIGHT_POWERBI_GROUP_ID": reports.group,
        "MIDNIGHT_POWERBI_DATASET_ID": reports.dataset,
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(configuration, "_secrets_backend_cache", {})
    monkeypatch.setattr(synapse, "check_synapse", lambda *_: [Finding.ok("Synapse", "")])
    monkeypatch.setattr(source, "check_source", lambda address, *_, **__: [Finding.ok("source", address.place)])
    sign_in = {"login": client, "password": secret}
    connections: dict[str, dict[str, Any]] = {
        "midnight-source": {"host": "db", "schema": "shop", "login": "reader", "password": PASSWORD},
        "midnight-lake": {**sign_in, "extra": {"tenantId": TENANT}},
        "midnight-data-factory": {**sign_in, "extra": {"tenantId": TENANT, "subscriptionId": "s"}},
        "midnight-databricks": {**sign_in, "host": f"https://{HOST}", "extra": {"azure_tenant_id": TENANT}},
        "midnight-synapse": {**sign_in, "host": "x-ondemand.sql.azuresynapse.net"},
        "midnight-power-bi": {**sign_in, "extra": {"tenant_id": TENANT, "trust_env": True}},
    }
    for name, connection in connections.items():
        cloud.key_vault.values[f"airflow-connections-{name}"] = json.dumps({"conn_type": "generic", **connection})
    cloud.key_vault.values["source-password"] = PASSWORD
    workspace.members.add(client)
    factory.readers.add(client)
    reports.rights[client] = "Contributor"
    storage.writers.add(client)
    settings = load_settings()
    return Setup(cloud, workspace, factory, reports, storage, settings, load_configuration(settings.config))
