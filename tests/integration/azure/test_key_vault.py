"""A task that needs a secret which it cannot have says why, whoever asks: an operator, a provider's hook, a trigger."""

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
VALUE = {"conn_type": "postgres", "host": "db", "schema": "shop", "login": "reader", "password": "first"}
KEYWORDS = {
    "connections_prefix": "airflow-connections",
    "variables_prefix": "airflow-variables",
    "config_prefix": None,
    "vault_url": f"https://{VAULT}/",
    "sep": "-",
    "retry_backoff_factor": 0,  # the repetitions stay, their pauses cost the tests nothing
}


@pytest.fixture
def vault(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    """Airflow in this process asks the vault for its secrets, by the environment that docs/azure.md sets."""
    from airflow.sdk import configuration  # noqa: PLC0415

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
    ("fault", "found", "cure"),
    [
        (forbidden, "Key Vault midnight-test answered 403 Forbidden", "Key Vault Secrets User"),
        (behind_a_firewall, "the firewall of Key Vault midnight-test turns this machine away", "allowed_ip_addresses"),
        (disabled, f"the secret '{SECRET}' of Key Vault midnight-test is disabled", "--enabled true"),
        (lambda cloud: throttled(cloud, 99), "Key Vault midnight-test is throttling (429)", "wait a minute"),
        (unreachable, "Key Vault midnight-test cannot be reached", "check vault_url, DNS"),
        (entra_unreachable, "Entra ID cannot be reached, so Key Vault midnight-test cannot", "check DNS"),
        (expired, "the client secret of Airflow's identity has expired, so Key Vault", "AADSTS7000222"),
        (replaced, "the client secret of Airflow's identity is wrong, so Key Vault", "AADSTS7000215"),
        (garbage, f"the secret '{SECRET}' of Key Vault midnight-test is neither JSON nor a URI", "docs/azure.md"),
        (bare_password, f"the secret '{SECRET}' of Key Vault midnight-test is neither JSON nor", "docs/azure.md"),
        (empty, f"the secret '{SECRET}' of Key Vault midnight-test is empty", "az keyvault secret set"),
        (sign_in_page, "Key Vault midnight-test cannot be read, asked for the secret", "look for a proxy"),
        (cut_off, "what answers is not the vault, or was cut off", "look for a proxy"),
    ],
)
def test_the_task_says_the_real_reason(vault: Cloud, fault: Any, found: str, cure: str):
    fault(vault)
    # an operator of ours, a provider's hook, a trigger
    asking = [
        lambda: Connection.get("midnight_source"),
        lambda: BaseHook.get_connection("midnight_source"),
        lambda: asyncio.run(_async_get_connection("midnight_source")),
    ]
    # The same way for all; each way counts where the fault is neither slow nor used up.
    for ask in asking[:1] if fault in (behind_a_firewall, entra_unreachable) else asking:
        with pytest.raises(KeyVaultError) as raised:
            ask()
        message = str(raised.value)
        assert (found in message, cure in message, SECRET in message, "\n" in message) == (True, True, True, False)
        assert ("s3cr3t" in message, vault.client[1] in message, isinstance(raised.value, MidnightError)) == (
            False,
            False,
            True,
        )


def test_a_vault_of_another_tenant_says_so():
    error = ClientAuthenticationError("The current credential is not configured to acquire tokens for tenant 9.")
    message = str(explain(error, SECRET, "Key Vault v"))
    assert "the vault is in another tenant, so Key Vault v cannot be asked" in message
    assert "AZURE_TENANT_ID has to be" in message


def test_every_way_to_sign_in_that_failed_is_told():
    error = ClientAuthenticationError(
        "DefaultAzureCredential failed to retrieve a token from the included credentials.\nAttempted credentials:\n"
        "\tEnvironmentCredential: Incomplete environment configuration.\n\tManagedIdentityCredential: no response."
    )
    message = str(explain(error, SECRET))
    assert "EnvironmentCredential: Incomplete environment configuration.; ManagedIdentityCredential: no resp" in message
    assert "set AZURE_TENANT_ID, AZURE_CLIENT_ID" in message


def test_a_variable_that_cannot_be_had_says_so(vault: Cloud):
    assert Variable.get("midnight_masking_key") == "key"
    disabled(vault)
    with pytest.raises(
        KeyVaultError, match="'airflow-variables-midnight-masking-key' of Key Vault midnight-test is dis"
    ):
        Variable.get("midnight_masking_key")


def test_throttling_for_a_moment_is_waited_out(vault: Cloud):
    throttled(vault, 4)
    assert Connection.get("midnight_source").password == "first"
    assert vault.key_vault.requests[READ] == 5


def test_a_secret_of_midnight_that_does_not_exist_is_looked_for_nowhere_else(
    vault: Cloud, monkeypatch: pytest.MonkeyPatch
):
    """Not for the connection of pipeline.yml, that of the lake, those with fixed names, and the masking key."""
    vault.key_vault.values.clear()
    monkeypatch.setenv("MIDNIGHT_LAKE_CONNECTION", "our_lake")
    for name in ("midnight_source", "midnight_databricks", "our_lake"):
        monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", "postgres://u:p@h/d")
        secret = f"airflow-connections-{name.replace('_', '-')}"
        for get in (Connection.get, lambda asked: asyncio.run(_async_get_connection(asked))):
            with pytest.raises(KeyVaultError, match=f"set --vault-name midnight-test --name {secret} "):
                get(name)
    monkeypatch.setenv("AIRFLOW_VAR_MIDNIGHT_MASKING_KEY", "another")
    with pytest.raises(KeyVaultError, match="has no secret 'airflow-variables-midnight-masking-key'"):
        Variable.get("midnight_masking_key", default=None)


def test_a_secret_of_somebody_else_that_does_not_exist_is_looked_for_elsewhere(
    vault: Cloud, monkeypatch: pytest.MonkeyPatch
):
    with pytest.raises(AirflowNotFoundException):
        Connection.get("warehouse")
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", "postgres://u:p@h/d")
    assert Connection.get("warehouse").host == "h"


def test_a_rotated_secret_counts_from_the_next_look(vault: Cloud):
    assert Connection.get("midnight_source").password == "first"
    vault.key_vault.values[SECRET] = json.dumps({**VALUE, "password": "second"})
    assert Connection.get("midnight_source").password == "second"
    assert asyncio.run(_async_get_connection("midnight_source")).password == "second"


def test_an_expired_secret_is_used_with_a_warning(vault: Cloud, capsys):
    vault.key_vault.expires[SECRET] = 1_700_000_000
    assert Connection.get("midnight_source").password == "first"
    text = "".join(capsys.readouterr())
    assert f"'{SECRET}' of Key Vault midnight-test expired on 2023-11-14" in text


def test_the_error_crosses_processes():
    error = pickle.loads(pickle.dumps(KeyVaultError("found", "hint")))  # noqa: S301 - our own bytes
    assert (error.diagnosis, str(error)) == (Diagnosis("found", "hint"), "found; hint: hint")


def test_nothing_hangs_for_longer_than_a_minute():
    """azure-core waits 300 s for a connection, four times, unless told otherwise."""
    backend = KeyVaultBackend(vault_url=f"https://{VAULT}/", read_timeout=3)
    assert {name: backend.kwargs[name] for name in ("connection_timeout", "read_timeout", "retry_connect")} == {
        "connection_timeout": 10,
        "read_timeout": 3,
        "retry_connect": 2,
    }
