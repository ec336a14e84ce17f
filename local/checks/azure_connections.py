"""Airflow connections of the azure profile, asked of the secrets backend itself.

In a task every failure of Key Vault (403, throttled, unreachable) ends as "The conn_id isn't defined": Airflow goes on
to the next place and forgets the reason. Here the backend is asked directly, and its reason is told.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from local.checks.finding import Finding, first_line
from midnight.settings import Settings

if TYPE_CHECKING:
    from airflow.sdk import Connection

BACKEND = "AIRFLOW__SECRETS__BACKEND"
KEYWORDS = "AIRFLOW__SECRETS__BACKEND_KWARGS"
KEY_VAULT = "airflow.providers.microsoft.azure.secrets.key_vault.AzureKeyVaultBackend"


@dataclass(frozen=True)
class WantedConnection:
    """A connection that the profile needs, what for, and the fields without which it is no use."""

    id: str
    purpose: str
    fields: tuple[str, ...] = ()


def wanted_connections(settings: Settings, source: str) -> list[WantedConnection]:
    """What the DAG will ask for.

    Args:
        settings: of the azure profile.
        source: ``source.connection`` of ``pipeline.yml``.
    """
    from midnight_airflow import stages  # noqa: PLC0415 - Airflow takes seconds to import

    result = [
        WantedConnection(source, "the source database", ("host", "schema", "login", "password")),
        WantedConnection(stages.DATABRICKS_CONNECTION, "Databricks", ("host",)),
        WantedConnection("midnight_synapse", "Synapse serverless", ("host",)),
    ]
    if settings.adf_factory:
        result.append(WantedConnection(stages.DATA_FACTORY_CONNECTION, "Data Factory"))
    if settings.powerbi_dataset_id:
        result.append(WantedConnection(stages.POWER_BI_CONNECTION, "Power BI", ("login", "password")))
    if settings.lake_connection:
        result.append(WantedConnection(settings.lake_connection, "the lake"))
    return result


def open_backend(environment: Mapping[str, str]) -> tuple[Any, list[Finding]]:
    """The secrets backend that Airflow is configured with; None when it cannot be made."""
    name = environment.get(BACKEND, "")
    if not name:
        found = f"{BACKEND} is not set: connections come from the environment and Airflow's own database"
        return None, [Finding("secrets backend", "warn", found, f"set it to {KEY_VAULT}, see .env.example")]
    raw = sorted(key for key in environment if key.startswith("AIRFLOW__SECRETS__BACKEND_KWARG__"))
    result = []
    if raw:
        found = f"{', '.join(raw)}: such values stay texts ('false' is true)"
        result.append(Finding("secrets backend", "warn", found, f"write one JSON document into {KEYWORDS}"))
    try:
        keywords = json.loads(environment.get(KEYWORDS) or "{}")
        module, _, class_name = name.rpartition(".")
        backend = getattr(import_module(module), class_name)(**keywords)
    except ValueError:
        # The text of the error would quote the document, which may hold a client secret.
        return None, [*result, Finding("secrets backend", "fail", f"{KEYWORDS} is not valid JSON", "see .env.example")]
    except (ImportError, AttributeError, TypeError) as error:
        return None, [*result, Finding("secrets backend", "fail", f"{name}: {first_line(error)}", "see .env.example")]
    address = keywords.get("vault_url", "")
    if name == KEY_VAULT and not str(address).startswith("https://"):
        cure = f'add "vault_url": "https://<vault>.vault.azure.net/" to {KEYWORDS}'
        return None, [*result, Finding("secrets backend", "fail", f"vault_url is {address!r}", cure)]
    return backend, [*result, Finding("secrets backend", "ok", f"{name.rpartition('.')[2]} {address}".strip())]


def find_connections(
    wanted: Sequence[WantedConnection], environment: Mapping[str, str] | None = None
) -> tuple[dict[str, Connection], list[Finding]]:
    """Each connection from the backend, else from the environment.

    Returns:
        Those that were found and are usable, and what to tell.
    """
    given = os.environ if environment is None else environment
    backend, result = open_backend(given)
    usable = {}
    for connection in wanted:
        found, finding = _find(connection, backend, given)
        if found is not None:
            usable[connection.id] = found
        result.append(finding)
    return usable, result


def _find(wanted: WantedConnection, backend: Any, environment: Mapping[str, str]) -> tuple[Connection | None, Finding]:
    name = f"connection {wanted.id}"
    origin, text = "the secrets backend", None
    if backend is not None:
        try:
            text = backend.get_conn_value(wanted.id)
        except Exception as error:  # noqa: BLE001 - the backend is the user's choice; each reason has to be told
            return None, Finding(name, "fail", *explain(error, wanted))
    if text is None:
        origin, text = "the environment", environment.get(f"AIRFLOW_CONN_{wanted.id.upper()}")
    if text is None:
        found = f"for {wanted.purpose}: not in the secrets backend"
        return None, Finding(name, "fail", found, f"store it as the secret {secret_name(backend, wanted.id)!r} (JSON)")
    try:
        connection = _parse(wanted.id, text)
    except Exception:  # noqa: BLE001 - Airflow's parsers raise many; the text holds a password and is never shown
        found = f"in {origin}, but neither JSON nor a URI"
        return None, Finding(name, "fail", found, 'write {"conn_type": …, "host": …, "login": …, "password": …}')
    missing = [field for field in wanted.fields if not getattr(connection, field, None)]
    if missing:
        return None, Finding(name, "fail", f"in {origin}, without {', '.join(missing)}", "add what is missing")
    return connection, Finding(name, "ok", f"for {wanted.purpose}: in {origin}")


def _parse(connection_id: str, text: str) -> Connection:
    from airflow.sdk import Connection  # noqa: PLC0415 - Airflow takes seconds to import

    if text.lstrip().startswith("{"):
        return Connection.from_json(text, conn_id=connection_id)
    return Connection.from_uri(text, conn_id=connection_id)


def secret_name(backend: Any, connection_id: str) -> str:
    """The name of a connection's secret."""
    build: Callable[..., str] | None = getattr(backend, "build_path", None)
    prefix = getattr(backend, "connections_prefix", None) or "airflow-connections"
    return build(prefix, connection_id, backend.sep) if build else f"{prefix}-{connection_id}".replace("_", "-")


def explain(error: BaseException, wanted: WantedConnection) -> tuple[str, str]:
    """What a failure of Key Vault means, and what to do."""
    status = getattr(error, "status_code", None)
    kind, text = type(error).__name__, first_line(error)
    for_what = f"for {wanted.purpose}: "
    if status == 403:
        cure = "give this identity the role Key Vault Secrets User, and let this machine through the vault's firewall"
        return for_what + "Key Vault refuses (403)", cure
    if status == 429:
        return for_what + "Key Vault is throttling (429)", "wait a minute; is something asking it all the time?"
    if status == 401 or kind in ("ClientAuthenticationError", "CredentialUnavailableError"):
        return (
            for_what + f"no identity for Key Vault ({kind})",
            "set AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET, or give the machine a managed identity",
        )
    if kind in ("ServiceRequestError", "ServiceResponseError", "ServiceRequestTimeoutError"):
        return for_what + f"Key Vault cannot be reached ({text})", "check vault_url, DNS, firewall and proxy"
    return for_what + text, "check the secrets backend"
