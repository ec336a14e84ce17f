"""Airflow's Key Vault backend, with two additions: the task log shows why a request to the vault failed, and a missing
secret that Midnight needs is a failure.

Airflow tries its secrets backends in turn and suppresses their exceptions (``_get_connection`` in
``airflow/sdk/execution_time/context.py``), so a vault that is unreachable, throttled or forbidden is reported as "The
conn_id isn't defined". Only ``AirflowSecretsBackendAccessDenied`` is re-raised: "authoritative deny, must not fall
through". Every failure of the vault is therefore raised as that exception (docs/adr/0011). A missing secret of
Midnight is, too: Airflow would look in the environment and in its database next, and a connection found there could
point a run at another server.

Airflow imports its secrets backend before it adds ``plugins/`` to the path: ``PYTHONPATH`` must include that folder.
"""

from __future__ import annotations

import contextlib
import re
from datetime import UTC, datetime
from functools import cached_property
from json import JSONDecodeError
from typing import Any
from urllib.parse import urlsplit

from airflow.providers.microsoft.azure.secrets.key_vault import AzureKeyVaultBackend
from airflow.sdk.exceptions import AirflowSecretsBackendAccessDenied
from azure.core.exceptions import AzureError, ClientAuthenticationError, DecodeError, ResourceNotFoundError
from azure.identity import ClientSecretCredential, DefaultAzureCredential
from azure.keyvault.secrets import SecretClient

from midnight.configuration.connections import FIXED_CONNECTIONS, SOURCE_CONNECTION
from midnight.configuration.pipeline import load_pipeline
from midnight.errors import ConfigurationError, SecretsError, first_line
from midnight.lake.azure.retries import reason_of
from midnight.masking import KEY_VARIABLE
from midnight.settings import load_settings
from midnight.sign_in import refused_secret
from midnight_airflow.run_costs import count_vault_operation

# azure-core's default timeout is 300 s for each of four attempts: a firewall that drops packets would block a task for
# twenty minutes. Key Vault throttles per window of 10 s: five retries (0, 1.6, 3.2, 6.4, 12.8 s) outlast two windows.
CLIENT_LIMITS: dict[str, Any] = {"connection_timeout": 10, "read_timeout": 10, "retry_connect": 2, "retry_status": 5}
NETWORK_ERRORS = (
    "ServiceRequestError",
    "ServiceResponseError",
    "ServiceRequestTimeoutError",
    "ServiceResponseTimeoutError",
)

# An unreachable Entra ID comes as a failed authentication, with the words of requests.
_ENTRA_UNREACHABLE = (
    "Authentication failed: .*(Max retries exceeded|Failed to establish|Unable to connect|timed out|Connection|resolve)"
)


class KeyVaultError(SecretsError, AirflowSecretsBackendAccessDenied):
    """Key Vault did not return a secret."""


class KeyVaultUnavailableError(KeyVaultError):
    """No secret can be read from the vault: the reason is the vault, Entra ID or the identity, not this secret."""


def midnight_secrets() -> set[str]:
    """Ids of the connections and variables that Midnight uses; they must come from the vault and nowhere else."""
    ids = {*FIXED_CONNECTIONS, SOURCE_CONNECTION, KEY_VARIABLE}
    with contextlib.suppress(ConfigurationError):  # the task reports it
        settings = load_settings()
        ids |= {settings.lake_connection}
        ids |= {load_pipeline(settings.config).source.connection}
    return ids


class KeyVaultBackend(AzureKeyVaultBackend):
    """``AzureKeyVaultBackend`` that raises its failures.

    Takes the same keyword arguments, and those of ``SecretClient``, whose defaults here are ``CLIENT_LIMITS``.

    Attributes:
        expiries: expiry date by secret name, for the secrets that were read and have one.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**CLIENT_LIMITS, **kwargs})
        self.expiries: dict[str, datetime] = {}

    @cached_property
    def client(self) -> SecretClient:
        """The base class's client; requests to Entra ID have the same timeouts."""
        credential: ClientSecretCredential | DefaultAzureCredential
        limits = {name: self.kwargs[name] for name in CLIENT_LIMITS}
        if self.tenant_id and self.client_id and self.client_secret:
            credential = ClientSecretCredential(self.tenant_id, self.client_id, self.client_secret, **limits)
        elif self.managed_identity_client_id and self.workload_identity_tenant_id:
            credential = DefaultAzureCredential(
                managed_identity_client_id=self.managed_identity_client_id,
                workload_identity_tenant_id=self.workload_identity_tenant_id,
                additionally_allowed_tenants=[self.workload_identity_tenant_id],
                **limits,
            )
        else:
            credential = DefaultAzureCredential(**limits)
        return SecretClient(vault_url=self.vault_url, credential=credential, **self.kwargs)

    def deserialize_connection(self, conn_id: str, value: str) -> Any:
        """The connection that a secret holds.

        Raises:
            KeyVaultError: the secret is neither JSON nor a URI.
        """
        try:
            if not value.lstrip().startswith("{") and "://" not in value:  # Airflow accepts any word as a URI
                raise ValueError
            return super().deserialize_connection(conn_id, value)
        except Exception:  # noqa: BLE001 - Airflow's parsers raise many types, and their messages quote the secret
            name = self.build_path(self.connections_prefix or "", conn_id, self.sep)
            raise KeyVaultError(
                f"the secret {name!r} of {self._vault} is neither JSON nor a URI",
                'store it as {"conn_type": …, "host": …, "login": …, "password": …} (docs/azure.md)',
            ) from None

    def _get_secret_value(self, path_prefix: str, secret_id: str) -> str | None:
        """The value; None for a missing secret that Midnight does not use, so that Airflow tries its next backend.

        Raises:
            KeyVaultError: the request failed, or a secret that Midnight uses is missing or empty.
        """
        name = self.build_path(path_prefix, secret_id, self.sep)
        if not re.fullmatch(r"[0-9a-zA-Z-]{1,127}", name):
            return super()._get_secret_value(path_prefix, secret_id)  # logs a warning and returns None
        count_vault_operation()
        try:
            secret = self.client.get_secret(name)
        except ResourceNotFoundError as error:
            if secret_id in midnight_secrets():
                host = urlsplit(self.vault_url).hostname or ""
                raise KeyVaultError(
                    f"{self._vault} has no secret {name!r} for {secret_id!r}; no other secrets backend is tried",
                    f"run az keyvault secret set --vault-name {host.partition('.')[0]} --name {name} --file … "
                    "(docs/azure.md, step 3)",
                ) from error
            self.log.info("%s has no secret %r for %r; trying the next backend", self._vault, name, secret_id)
            return None
        except (AzureError, ValueError) as error:
            raise explain(error, name, self._vault) from error
        expiry = secret.properties.expires_on
        if expiry is not None:
            self.expiries[name] = expiry
            if expiry < datetime.now(UTC):  # the service returns it nevertheless
                self.log.warning("The secret %r of %s expired on %s; store a new one", name, self._vault, expiry.date())
        if not secret.value:  # Airflow treats an empty secret as a missing one
            hint = f"store its value again: az keyvault secret set --name {name}"
            raise KeyVaultError(f"the secret {name!r} of {self._vault} is empty", hint)
        return secret.value

    @property
    def _vault(self) -> str:
        return f"Key Vault {(urlsplit(self.vault_url).hostname or '').partition('.vault.')[0]}"


def explain(error: BaseException, secret: str, vault: str = "Key Vault") -> KeyVaultError:
    """Translate a failed request to Key Vault into an error with a hint.

    Args:
        error: raised by azure-core, azure-identity or azure-keyvault-secrets.
        secret: name of the requested secret.
        vault: what messages call the vault.
    """
    status, kind = getattr(error, "status_code", None), type(error).__name__
    failed = f"could not read secret {secret!r} from {vault}"
    if isinstance(error, ClientAuthenticationError) and status in (None, 401):
        return _explain_authentication(error, failed)
    if status in (403, 429):
        return _explain_refusal(error, failed)
    if kind in NETWORK_ERRORS:
        hint = "check vault_url, DNS, firewall, proxy and private endpoint"
        return KeyVaultUnavailableError(f"{failed}: the vault is not reachable: {_named_first_line(error)}", hint)
    if isinstance(error, JSONDecodeError | DecodeError):
        found = f"{failed}: the response is incomplete or does not come from Key Vault"
        return KeyVaultUnavailableError(found, "look for a proxy or a sign-in page in between, and check vault_url")
    if status is None:
        return KeyVaultUnavailableError(
            f"{failed}: {_named_first_line(error)}", "check AIRFLOW__SECRETS__BACKEND_KWARGS"
        )
    return KeyVaultError(
        f"{failed} ({status}): {_named_first_line(error)}", "clear the task when the vault is available"
    )


def _explain_authentication(error: ClientAuthenticationError, failed: str) -> KeyVaultUnavailableError:
    """Entra ID issued no token, or the vault rejected it."""
    text = str(error)
    code = re.search(r"AADSTS\d+: [^\r\n]*", text)
    reason = re.sub(r"\s*Trace ID.*", "", code[0])[:300] if code else reason_of(error)
    if refused := refused_secret(text):
        hint = "create a new one (az ad app credential reset --append), set AZURE_CLIENT_SECRET, restart Airflow"
        found = f"{failed}: the client secret of Airflow's identity {refused[1]}: {reason}"
        return KeyVaultUnavailableError(found, hint)
    if not code and "acquire tokens for tenant" in text:
        hint = "set AZURE_TENANT_ID to the vault's tenant (az keyvault show --query properties.tenantId)"
        return KeyVaultUnavailableError(f"{failed}: the vault is in another tenant: {reason}", hint)
    if not code and re.search(_ENTRA_UNREACHABLE, text):
        return KeyVaultUnavailableError(f"{failed}: Entra ID is not reachable", "check DNS, firewall and proxy")
    if not code and getattr(error, "response", None) is not None:
        hint = "set AZURE_TENANT_ID to the vault's tenant"
        return KeyVaultUnavailableError(f"{failed}: the vault rejected the token (401): {reason}", hint)
    hint = "set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET, or give the machine a managed identity"
    return KeyVaultUnavailableError(f"{failed}: no identity was found on this machine: {reason}", hint)


def _explain_refusal(error: BaseException, failed: str) -> KeyVaultError:
    """403 has many reasons; ``innererror.code`` of the response names them, or its message where that is missing."""
    if getattr(error, "status_code", None) == 429:
        hint = "wait a minute and clear the task; find out which program sends so many requests to the vault"
        return KeyVaultUnavailableError(f"{failed}: the vault throttles requests (429)", hint)
    text = f"{getattr(getattr(error, 'error', None), 'innererror', None)} {error}"
    if "SecretDisabled" in text or "disabled secret" in text:
        hint = "enable it (az keyvault secret set-attributes --enabled true), or set a new value"
        return KeyVaultError(f"{failed}: the secret is disabled (403)", hint)
    if re.search(r"ForbiddenByFirewall|ForbiddenByConnection|Client address is not authorized|Public network", text):
        hint = "add this machine to allowed_ip_addresses, or use the private endpoint (infra/)"
        return KeyVaultUnavailableError(f"{failed}: blocked by the Key Vault firewall (403)", hint)
    hint = "assign the role Key Vault Secrets User to Airflow's identity (infra/ does; allow some minutes)"
    return KeyVaultError(f"{failed}: 403 Forbidden", hint)


def _named_first_line(error: BaseException) -> str:
    name, line = type(error).__name__, first_line(error, 300)
    return name if line == name else f"{name}: {line}"
