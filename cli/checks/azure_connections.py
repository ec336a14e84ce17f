"""Airflow connections of the azure profile, read from the secrets backend itself, with the reason for each failure."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from cli.checks.finding import Check, Finding, run_checks
from midnight.configuration.connections import (
    CONNECTIONS_PREFIX,
    DATA_FACTORY_CONNECTION,
    DATABRICKS_CONNECTION,
    POWER_BI_CONNECTION,
    SYNAPSE_CONNECTION,
    VARIABLES_PREFIX,
)
from midnight.errors import MidnightError, first_line
from midnight.settings import Settings

if TYPE_CHECKING:
    from airflow.sdk import Connection

BACKEND = "AIRFLOW__SECRETS__BACKEND"
KEYWORDS = "AIRFLOW__SECRETS__BACKEND_KWARGS"
KEY_VAULT = "midnight_airflow.key_vault.KeyVaultBackend"
AIRFLOWS_KEY_VAULT = "airflow.providers.microsoft.azure.secrets.key_vault.AzureKeyVaultBackend"
# A vault that is unreachable must not block the command for a minute.
QUICK = {"connection_timeout": 5, "read_timeout": 5, "retry_connect": 0, "retry_read": 0, "retry_status": 1}
SECONDS = 20
SOON = timedelta(days=14)


@dataclass(frozen=True)
class WantedConnection:
    """A connection that the profile needs, its purpose, and the fields that it must have."""

    id: str
    purpose: str
    fields: tuple[str, ...] = ()


def wanted_connections(settings: Settings, source: str) -> list[WantedConnection]:
    """The connections that the DAG needs.

    Args:
        settings: of the azure profile.
        source: ``source.connection`` of ``pipeline.yml``.
    """
    result = [
        WantedConnection(source, "the source database", ("host", "schema", "login", "password")),
        WantedConnection(DATABRICKS_CONNECTION, "Databricks", ("host",)),
        WantedConnection(SYNAPSE_CONNECTION, "Synapse serverless", ("host",)),
    ]
    if settings.adf_factory:
        result.append(WantedConnection(DATA_FACTORY_CONNECTION, "Data Factory"))
    if settings.powerbi_dataset_id:
        result.append(WantedConnection(POWER_BI_CONNECTION, "Power BI", ("login", "password")))
    if settings.lake_connection:
        result.append(WantedConnection(settings.lake_connection, "the lake"))
    return result


def open_backend(environment: Mapping[str, str]) -> tuple[Any, list[Finding]]:
    """The secrets backend that Airflow is configured with; None when it cannot be created."""
    name = environment.get(BACKEND, "")
    if not name:
        found = f"{BACKEND} is not set: connections come from the environment and Airflow's own database"
        return None, [Finding.warn("secrets backend", found, f"set it to {KEY_VAULT}, see .env.example")]
    raw = sorted(key for key in environment if key.startswith("AIRFLOW__SECRETS__BACKEND_KWARG__"))
    result = []
    if raw:
        found = f"{', '.join(raw)}: such values are strings ('false' is true)"
        result.append(Finding.warn("secrets backend", found, f"write one JSON document into {KEYWORDS}"))
    try:
        # Airflow first, which imports its backend itself: the other order is an import cycle.
        import_module("airflow.configuration")
        keywords = json.loads(environment.get(KEYWORDS) or "{}")
        if name in (KEY_VAULT, AIRFLOWS_KEY_VAULT):
            keywords = {**QUICK, **keywords}
        module, _, class_name = name.rpartition(".")
        backend = getattr(import_module(module), class_name)(**keywords)
    except ValueError:
        # The error would quote the document, which may contain a client secret.
        return None, [*result, Finding.fail("secrets backend", f"{KEYWORDS} is not valid JSON", "see .env.example")]
    except (ImportError, AttributeError, TypeError) as error:
        return None, [*result, Finding.fail("secrets backend", f"{name}: {first_line(error)}", "see .env.example")]
    address = keywords.get("vault_url", "")
    if name == AIRFLOWS_KEY_VAULT:
        found = "Airflow's own class: when the vault fails, a task says only that the connection isn't defined"
        result.append(Finding.warn("secrets backend", found, f"set {BACKEND} to {KEY_VAULT}, see .env.example"))
    if name in (KEY_VAULT, AIRFLOWS_KEY_VAULT) and not str(address).startswith("https://"):
        hint = f'add "vault_url": "https://<vault>.vault.azure.net/" to {KEYWORDS}'
        return None, [*result, Finding.fail("secrets backend", f"vault_url is {address!r}", hint)]
    return backend, [*result, Finding.ok("secrets backend", f"{name.rpartition('.')[2]} {address}".strip())]


def find_connections(
    wanted: Sequence[WantedConnection], environment: Mapping[str, str] | None = None
) -> tuple[dict[str, Connection], list[Finding]]:
    """Each connection from the backend; from the environment only where there is no backend.

    Returns:
        The usable connections, and the findings.
    """
    # Not in the threads below, which would wait for each other's imports.
    from airflow.sdk import Connection  # noqa: F401 - Airflow takes seconds to import

    given = os.environ if environment is None else environment
    backend, result = open_backend(given)
    usable: dict[str, Connection] = {}
    if backend is not None and wanted:
        # An error that affects every secret is reported once, without trying the other connections.
        error = _failure(backend, wanted[0])
        if error is not None and type(error).__name__ == "KeyVaultUnavailableError":
            return usable, [*result, Finding.fail("Key Vault", *explain(error, backend, wanted[0]))]

    def look(connection: WantedConnection) -> list[Finding]:
        found, finding = _find(connection, backend, given)
        if found is not None:
            usable[connection.id] = found
        return [finding, *_expiry(backend, connection)]

    checks = [Check(f"connection {connection.id}", partial(look, connection), SECONDS) for connection in wanted]
    return usable, [*result, *run_checks(checks)]


def check_variable(
    key: str, purpose: str, describe: Callable[[str], str], environment: Mapping[str, str] | None = None
) -> list[Finding]:
    """A Variable can be read, from the backend; from the environment only where there is no backend.

    Args:
        key: name of the Airflow Variable.
        purpose: what it is for.
        describe: returns what may be shown of the value; raises ValueError with what is wrong and, after a semicolon,
            the hint.
        environment: of the process by default.
    """
    given = os.environ if environment is None else environment
    backend, _ = open_backend(given)
    name, text = f"variable {key}", None
    prefix = getattr(backend, "variables_prefix", None)
    if backend is not None:
        try:
            text = backend.get_variable(key)
        except Exception as error:  # noqa: BLE001 - any backend may be configured; each reason is reported
            return [Finding.fail(name, *explain(error, backend, WantedConnection(key, purpose)))]
    elif text is None:
        text = given.get(f"AIRFLOW_VAR_{key.upper()}")
    if text is None and backend is not None and prefix is None:
        hint = f'write "variables_prefix": "{VARIABLES_PREFIX}" into {KEYWORDS}, see .env.example'
        return [Finding.fail(name, f"for {purpose}: the secrets backend is not configured for variables", hint)]
    if not text:
        secret = secret_name(backend, key, prefix or VARIABLES_PREFIX)
        return [Finding.fail(name, f"for {purpose}: not in the secrets backend", f"store it as the secret {secret!r}")]
    try:
        return [Finding.ok(name, f"for {purpose}: {describe(text)}")]
    except ValueError as error:
        wrong, _, hint = str(error).partition("; ")
        return [Finding.fail(name, f"for {purpose}: it {wrong}", hint.removeprefix("hint: "))]


def _failure(backend: Any, wanted: WantedConnection) -> MidnightError | None:
    try:
        backend.get_conn_value(wanted.id)
    except Exception as error:  # noqa: BLE001 - reported by the caller
        return _reason(error, backend, wanted)
    return None


def _reason(error: Exception, backend: Any, wanted: WantedConnection) -> MidnightError | None:
    """The error as our own backend raises it; None for one of another backend."""
    if isinstance(error, MidnightError):
        return error
    from azure.core.exceptions import AzureError

    from midnight_airflow import key_vault

    if not isinstance(error, AzureError):
        return None
    return key_vault.explain(error, secret_name(backend, wanted.id))


def _find(wanted: WantedConnection, backend: Any, environment: Mapping[str, str]) -> tuple[Connection | None, Finding]:
    name = f"connection {wanted.id}"
    origin, text = "the secrets backend", None
    if backend is not None:
        try:
            text = backend.get_conn_value(wanted.id)
        except Exception as error:  # noqa: BLE001 - any backend may be configured; each reason is reported
            return None, Finding.fail(name, *explain(error, backend, wanted))
    else:
        origin, text = "the environment", environment.get(f"AIRFLOW_CONN_{wanted.id.upper()}")
    secret = secret_name(backend, wanted.id)
    if text is None:
        found = f"for {wanted.purpose}: not in the secrets backend"
        return None, Finding.fail(name, found, f"store it as the secret {secret!r} (JSON)")
    try:
        connection = _parse(wanted.id, text)
    except Exception:  # noqa: BLE001 - Airflow's parsers raise many; the text holds a password and is never shown
        found = f"in {origin}, but neither JSON nor a URI"
        return None, Finding.fail(name, found, 'write {"conn_type": …, "host": …, "login": …, "password": …}')
    missing = [field for field in wanted.fields if not getattr(connection, field, None)]
    if missing:
        return None, Finding.fail(name, f"in {origin}, without {', '.join(missing)}", "add what is missing")
    return connection, Finding.ok(name, f"for {wanted.purpose}: in {origin}")


def _expiry(backend: Any, wanted: WantedConnection) -> list[Finding]:
    """Key Vault still returns an expired secret; the service that it belongs to probably refuses it."""
    secret = secret_name(backend, wanted.id)
    expiry: datetime | None = getattr(backend, "expiries", {}).get(secret)
    now = datetime.now(UTC)
    if expiry is None or expiry > now + SOON:
        return []
    found = f"{secret!r} {'expired' if expiry < now else 'expires'} on {expiry.date()}"
    return [Finding.warn(f"connection {wanted.id}", found, "rotate it (docs/runbook.md)")]


def _parse(connection_id: str, text: str) -> Connection:
    from airflow.sdk import Connection

    if text.lstrip().startswith("{"):
        return Connection.from_json(text, conn_id=connection_id)
    return Connection.from_uri(text, conn_id=connection_id)


def secret_name(backend: Any, identifier: str, prefix: str = "") -> str:
    """The name of a connection's (or, with its prefix, of a variable's) secret."""
    build: Callable[..., str] | None = getattr(backend, "build_path", None)
    prefix = prefix or getattr(backend, "connections_prefix", None) or CONNECTIONS_PREFIX
    return build(prefix, identifier, backend.sep) if build else f"{prefix}-{identifier}".replace("_", "-")


def explain(error: Exception, backend: Any, wanted: WantedConnection) -> tuple[str, str]:
    """The meaning of a failure of the backend, and the hint."""
    reason = _reason(error, backend, wanted)
    if reason is None:
        return f"for {wanted.purpose}: {first_line(error)}", "check the secrets backend"
    return f"for {wanted.purpose}: {reason.diagnosis.found}", reason.diagnosis.hint
