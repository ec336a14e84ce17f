"""A secret that cannot be read fails the task with the reason: in an operator, a provider's hook and a trigger."""

from __future__ import annotations

import asyncio
import json
import pickle
from typing import Any

import pytest
from airflow.sdk import BaseHook, Connection, Variable
from airflow.sdk.exceptions import AirflowNotFoundException
from airflow.sdk.execution_time.context import _async_get_connection
from azure.core.exceptions import ClientAuthenticationError
from starlette.responses import HTMLResponse, Response

from midnight.errors import Diagnosis, MidnightError
from midnight_airflow.key_vault import KeyVaultBackend, KeyVaultError, explain
from tests.fakes.cloud import Cloud
from tests.fakes.key_vault import READ

VAULT = "midnight-test.vault.azure.net"
SECRET = "airflow-connections-midnight-source"
FAILED = f"could not read secret '{SECRET}' from Key Vault midnight-test"
VALUE = {"conn_type": "postgres", "host": "db", "schema": "shop", "login": "reader", "password": "first"}
KEYWORDS = {
    "connections_prefix": "airflow-connections",
    "variables_prefix": "airflow-variables",
    "config_prefix": None,
    "vault_url": f"https://{VAULT}/",
    "sep": "-",
    "retry_backoff_factor": 0,  # as many retries as in production, without the pauses
}


@pytest.fixture
def vault(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    """Airflow in this process reads its secrets from the vault, with the environment of docs/azure.md."""
    from airflow.sdk import configuration

    monkeypatch.setenv("AIRFLOW__SECRETS__BACKEND", "midnight_airflow.key_vault.KeyVaultBackend")
    monkeypatch.setenv("AIRFLOW__SECRETS__BACKEND_KWARGS", json.dumps(KEYWORDS))
    monkeypatch.setattr(configuration, "_secrets_backend_cache", {})
    cloud.key_vault.values[SECRET] = json.dumps(VALUE)
    cloud.key_vault.values["airflow-variables-midnight-masking-key"] = "key"
    return cloud


def throttled(cloud: Cloud, times: int) -> None:
    message = "Request was not processed because too many requests were received."
    cloud.key_vault.fail(READ, *[lambda: cloud.key_vault.error(429, message)] * times)


def forbidden(cloud: Cloud) -> None:
    cloud.key_vault.readers.clear()


def behind_a_firewall(cloud: Cloud) -> None:
    message = "Client address is not authorized and caller is not a trusted service.\r\nClient address: 192.0.2.1"
    cloud.key_vault.fail(READ, *[lambda: cloud.key_vault.error(403, message)] * 2)


def disabled(cloud: Cloud) -> None:
    cloud.key_vault.disabled |= {SECRET, "airflow-variables-midnight-masking-key"}


def unreachable(cloud: Cloud) -> None:
    cloud.tunnel.unreachable.add(VAULT)


def entra_unreachable(cloud: Cloud) -> None:
    cloud.tunnel.unreachable.add("login.microsoftonline.com")


def expired(cloud: Cloud) -> None:
    cloud.entra.expired.add(cloud.client[0])


def replaced(cloud: Cloud) -> None:
    cloud.entra.secrets[cloud.client[0]] = "another"


def garbage(cloud: Cloud) -> None:
    cloud.key_vault.values[SECRET] = '{"password": "s3cr3t'


def bare_password(cloud: Cloud) -> None:
    cloud.key_vault.values[SECRET] = "s3cr3t"


def empty(cloud: Cloud) -> None:
    cloud.key_vault.values[SECRET] = ""


def sign_in_page(cloud: Cloud) -> None:
    cloud.key_vault.fail(READ, *[HTMLResponse("<html>Welcome to this network</html>")] * 3)


def cut_off(cloud: Cloud) -> None:
    cloud.key_vault.fail(READ, *[Response('{"value": "s3cr3t', media_type="application/json")] * 3)


@pytest.mark.parametrize(
    ("fault", "found", "hint"),
    [
        (forbidden, f"{FAILED}: 403 Forbidden", "Key Vault Secrets User"),
        (behind_a_firewall, f"{FAILED}: blocked by the Key Vault firewall (403)", "allowed_ip_addresses"),
        (disabled, f"{FAILED}: the secret is disabled (403)", "--enabled true"),
        (lambda cloud: throttled(cloud, 99), f"{FAILED}: the vault throttles requests (429)", "wait a minute"),
        (unreachable, f"{FAILED}: the vault is not reachable", "check vault_url, DNS"),
        (entra_unreachable, f"{FAILED}: Entra ID is not reachable", "check DNS"),
        (expired, f"{FAILED}: the client secret of Airflow's identity has expired", "AADSTS7000222"),
        (replaced, f"{FAILED}: the client secret of Airflow's identity is wrong", "AADSTS7000215"),
        (garbage, f"the secret '{SECRET}' of Key Vault midnight-test is neither JSON nor a URI", "docs/azure.md"),
        (bare_password, f"the secret '{SECRET}' of Key Vault midnight-test is neither JSON nor", "docs/azure.md"),
        (empty, f"the secret '{SECRET}' of Key Vault midnight-test is empty", "az keyvault secret set"),
        (sign_in_page, f"{FAILED}: the response is incomplete or does not come from", "look for a proxy"),
        (cut_off, f"{FAILED}: the response is incomplete or does not come from", "look for a proxy"),
    ],
)
def test_the_task_fails_with_the_real_reason(vault: Cloud, fault: Any, found: str, hint: str):
    fault(vault)
    # one of Midnight's operators, a provider's hook, a trigger
    readers = [
        lambda: Connection.get("midnight_source"),
        lambda: BaseHook.get_connection("midnight_source"),
        lambda: asyncio.run(_async_get_connection("midnight_source")),
    ]
    # One reader is enough where the fault is slow, or used up by the first request.
    for read in readers[:1] if fault in (behind_a_firewall, entra_unreachable) else readers:
        with pytest.raises(KeyVaultError) as raised:
            read()
        message = str(raised.value)
        assert (found in message, hint in message, SECRET in message, "\n" in message) == (True, True, True, False)
        assert ("s3cr3t" in message, vault.client[1] in message, isinstance(raised.value, MidnightError)) == (
            False,
            False,
            True,
        )


def test_a_vault_in_another_tenant_is_reported():
    error = ClientAuthenticationError("The current credential is not configured to acquire tokens for tenant 9.")
    message = str(explain(error, SECRET, "Key Vault v"))
    assert f"could not read secret '{SECRET}' from Key Vault v: the vault is in another tenant" in message
    assert "hint: set AZURE_TENANT_ID to the vault's tenant" in message


def test_every_credential_that_failed_is_reported():
    error = ClientAuthenticationError(
        "DefaultAzureCredential failed to retrieve a token from the included credentials.\nAttempted credentials:\n"
        "\tEnvironmentCredential: Incomplete environment configuration.\n\tManagedIdentityCredential: no response."
    )
    message = str(explain(error, SECRET))
    assert "EnvironmentCredential: Incomplete environment configuration.; ManagedIdentityCredential: no resp" in message
    assert "set AZURE_TENANT_ID, AZURE_CLIENT_ID" in message


def test_a_variable_that_cannot_be_read_is_reported(vault: Cloud):
    assert Variable.get("midnight_masking_key") == "key"
    disabled(vault)
    with pytest.raises(
        KeyVaultError, match=r"'airflow-variables-midnight-masking-key' from .*: the secret is disabled"
    ):
        Variable.get("midnight_masking_key")


def test_short_throttling_is_retried(vault: Cloud):
    throttled(vault, 4)
    assert Connection.get("midnight_source").password == "first"
    assert vault.key_vault.requests[READ] == 5


def test_a_missing_secret_of_midnight_is_read_from_no_other_backend(vault: Cloud, monkeypatch: pytest.MonkeyPatch):
    """The connections of pipeline.yml and of the lake, those with fixed names, and the masking key."""
    vault.key_vault.values.clear()
    monkeypatch.setenv("MIDNIGHT_LAKE_CONNECTION", "our_lake")
    for name in ("midnight_source", "midnight_databricks", "our_lake"):
        monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", "postgres://u:p@h/d")
        secret = f"airflow-connections-{name.replace('_', '-')}"
        for get in (Connection.get, lambda wanted: asyncio.run(_async_get_connection(wanted))):
            with pytest.raises(KeyVaultError, match=f"set --vault-name midnight-test --name {secret} "):
                get(name)
    monkeypatch.setenv("AIRFLOW_VAR_MIDNIGHT_MASKING_KEY", "another")
    with pytest.raises(KeyVaultError, match="has no secret 'airflow-variables-midnight-masking-key'"):
        Variable.get("midnight_masking_key", default=None)


def test_any_other_missing_secret_is_read_from_the_next_backend(vault: Cloud, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(AirflowNotFoundException):
        Connection.get("warehouse")
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", "postgres://u:p@h/d")
    assert Connection.get("warehouse").host == "h"


def test_a_rotated_secret_is_used_at_the_next_read(vault: Cloud):
    assert Connection.get("midnight_source").password == "first"
    vault.key_vault.values[SECRET] = json.dumps({**VALUE, "password": "second"})
    assert Connection.get("midnight_source").password == "second"
    assert asyncio.run(_async_get_connection("midnight_source")).password == "second"


def test_an_expired_secret_is_used_with_a_warning(vault: Cloud, capsys):
    vault.key_vault.expires[SECRET] = 1_700_000_000
    assert Connection.get("midnight_source").password == "first"
    text = "".join(capsys.readouterr())
    assert f"'{SECRET}' of Key Vault midnight-test expired on 2023-11-14" in text


def test_the_error_can_be_pickled():
    error = pickle.loads(pickle.dumps(KeyVaultError("found", "hint")))  # noqa: S301 - our own bytes
    assert (error.diagnosis, str(error)) == (Diagnosis("found", "hint"), "found; hint: hint")


def test_no_request_takes_longer_than_a_minute():
    """By default azure-core waits 300 s for a connection, four times."""
    backend = KeyVaultBackend(vault_url=f"https://{VAULT}/", read_timeout=3)
    assert {name: backend.kwargs[name] for name in ("connection_timeout", "read_timeout", "retry_connect")} == {
        "connection_timeout": 10,
        "read_timeout": 3,
        "retry_connect": 2,
    }
