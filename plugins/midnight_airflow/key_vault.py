"""Airflow's Key Vault backend, with the two things that it lacks: a failure reaches the task as itself, and a secret
of Midnight that the vault does not have is such a failure.

Airflow asks one secrets backend after the other and swallows what goes wrong in them (``_get_connection`` in
``airflow/sdk/execution_time/context.py``), so that a vault which refuses, throttles or is away ends as "The conn_id
isn't defined". Only ``AirflowSecretsBackendAccessDenied`` is let through: "authoritative deny, must not fall through".
So that is what every failure of the vault becomes here (docs/adr/0011), and a missing secret of Midnight: the next
places are the environment and Airflow's database, and a connection there would lead a run to another server.

Airflow imports its secrets backend before it adds ``plugins/`` to the path: ``PYTHONPATH`` has to name that folder.
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
from midnight.errors import ConfigurationError, SecretsError
from midnight.lake.azure.retries import reason_of
from midnight.masking import KEY_VARIABLE
from midnight.settings import load_settings

# azure-core's own limits are 300 s for each of four attempts; a vault behind a firewall that drops packets would hold a
# task for twenty minutes. Key Vault counts in windows of 10 s: five retries (0, 1.6, 3.2, 6.4, 12.8 s) outlast two.
BOUNDS: dict[str, Any] = {"connection_timeout": 10, "read_timeout": 10, "retry_connect": 2, "retry_status": 5}
NETWORK = ("ServiceRequestError", "ServiceResponseError", "ServiceRequestTimeoutError", "ServiceResponseTimeoutError")

# An unreachable Entra ID comes as a failed authentication, with the words of requests.
_AWAY = (
    "Authentication failed: .*(Max retries exceeded|Failed to establish|Unable to connect|timed out|Connection|resolve)"
)


class KeyVaultError(SecretsError, AirflowSecretsBackendAccessDenied):
    """Key Vault did not return a secret."""


class KeyVaultUnavailableError(KeyVaultError):
    """No secret of this vault can be had: it, Entra ID or the machine's identity is the reason, not this secret."""


def midnight_secrets() -> set[str]:
    """Ids of the connections and variables that Midnight uses: those that only the vault may have."""
    wanted = {*FIXED_CONNECTIONS, SOURCE_CONNECTION, KEY_VARIABLE}
    with contextlib.suppress(ConfigurationError):  # then the task says what is wrong with the configuration
        settings = load_settings()
        wanted |= {settings.lake_connection}
        wanted |= {load_pipeline(settings.config).source.connection}
    return wanted


class KeyVaultBackend(AzureKeyVaultBackend):
    """``AzureKeyVaultBackend``; takes the same keywords, and those of ``SecretClient`` (its limits are ``BOUNDS``).

    Attributes:
        expiries: of the secrets that were read, by name; a secret without an expiry date is not in it.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**BOUNDS, **kwargs})
        self.expiries: dict[str, datetime] = {}

    @cached_property
    def client(self) -> SecretClient:
        """The parent's client; Entra ID is asked within the same limits."""
        credential: ClientSecretCredential | DefaultAzureCredential
        limits = {name: self.kwargs[name] for name in BOUNDS}
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
        """The connection.

        Raises:
            KeyVaultError: the secret is neither JSON nor a URI.
        """
        try:
            if not value.lstrip().startswith("{") and "://" not in value:  # Airflow would take any word for a URI
                raise ValueError
            return super().deserialize_connection(conn_id, value)
        except Exception:  # noqa: BLE001 - Airflow's parsers raise many, and their texts quote the secret: cut them off
            name = self.build_path(self.connections_prefix or "", conn_id, self.sep)
            raise KeyVaultError(
                f"the secret {name!r} of {self._vault} is neither JSON nor a URI",
                'store {"conn_type": …, "host": …, "login": …, "password": …} in it (docs/azure.md)',
            ) from None

    def _get_secret_value(self, path_prefix: str, secret_id: str) -> str | None:
        """The value; None when there is no such secret and Midnight does not use it: Airflow goes on to its next place.

        Raises:
            KeyVaultError: the vault does not answer the question, or does not have a secret of Midnight.
        """
        name = self.build_path(path_prefix, secret_id, self.sep)
        if not re.fullmatch(r"[0-9a-zA-Z-]{1,127}", name):
            return super()._get_secret_value(path_prefix, secret_id)  # warns, and gives None
        try:
            secret = self.client.get_secret(name)
        except ResourceNotFoundError as error:
            if secret_id in midnight_secrets():
                host = urlsplit(self.vault_url).hostname or ""
                raise KeyVaultError(
                    f"{self._vault} has no secret {name!r} for {secret_id!r}; no other place is asked for it",
                    f"az keyvault secret set --vault-name {host.partition('.')[0]} --name {name} --file … "
                    "(docs/azure.md, step 3)",
                ) from error
            self.log.info("%s has no secret %r for %r; Airflow looks elsewhere", self._vault, name, secret_id)
            return None
        except (AzureError, ValueError) as error:
            raise explain(error, name, self._vault) from error
        expiry = secret.properties.expires_on
        if expiry is not None:
            self.expiries[name] = expiry
            if expiry < datetime.now(UTC):  # the service gives it all the same
                self.log.warning("The secret %r of %s expired on %s; store a new one", name, self._vault, expiry.date())
        if not secret.value:  # Airflow would take it for one that does not exist
            cure = f"store its value again (az keyvault secret set --name {name})"
            raise KeyVaultError(f"the secret {name!r} of {self._vault} is empty", cure)
        return secret.value

    @property
    def _vault(self) -> str:
        return f"Key Vault {(urlsplit(self.vault_url).hostname or '').partition('.vault.')[0]}"


def explain(error: BaseException, secret: str, vault: str = "Key Vault") -> KeyVaultError:
    """What a failure of Key Vault means, and what to do.

    Args:
        error: of azure-core, azure-identity or azure-keyvault-secrets.
        secret: its name.
        vault: how to call the vault.
    """
    status, kind = getattr(error, "status_code", None), type(error).__name__
    wanted = f"for the secret {secret!r}"
    if isinstance(error, ClientAuthenticationError) and status in (None, 401):
        return _explain_identity(error, wanted, vault)
    if status in (403, 429):
        return _explain_refusal(error, secret, vault)
    if kind in NETWORK:
        cure = "check vault_url, DNS, firewall, proxy and private endpoint"
        return KeyVaultUnavailableError(f"{vault} cannot be reached, asked {wanted}: {_first_line(error)}", cure)
    if isinstance(error, JSONDecodeError | DecodeError):
        found = f"{vault} cannot be read, asked {wanted}: what answers is not the vault, or was cut off"
        return KeyVaultUnavailableError(found, "look for a proxy or a sign-in page in between, and check vault_url")
    if status is None:
        found = f"{vault} cannot be used, asked {wanted}: {_first_line(error)}"
        return KeyVaultUnavailableError(found, "check AIRFLOW__SECRETS__BACKEND_KWARGS")
    found = f"{vault} answered {status}, asked {wanted}: {_first_line(error)}"
    return KeyVaultError(found, "try again when the vault is well")


def _explain_identity(error: ClientAuthenticationError, wanted: str, vault: str) -> KeyVaultUnavailableError:
    """Entra ID gave no token, or the vault does not take it."""
    text = str(error)
    code = re.search(r"AADSTS\d+: [^\r\n]*", text)
    reason = re.sub(r"\s*Trace ID.*", "", code[0])[:300] if code else reason_of(error)
    asked = f"{vault} cannot be asked {wanted}"
    if "AADSTS7000222" in text or "AADSTS7000215" in text:
        wrong = "has expired" if "AADSTS7000222" in text else "is wrong"
        cure = "make a new one (az ad app credential reset --append), set AZURE_CLIENT_SECRET, restart Airflow"
        return KeyVaultUnavailableError(f"the client secret of Airflow's identity {wrong}, so {asked}: {reason}", cure)
    if not code and "acquire tokens for tenant" in text:
        cure = "AZURE_TENANT_ID has to be the vault's tenant (az keyvault show --query properties.tenantId)"
        return KeyVaultUnavailableError(f"the vault is in another tenant, so {asked}: {reason}", cure)
    if not code and re.search(_AWAY, text):
        return KeyVaultUnavailableError(f"Entra ID cannot be reached, so {asked}", "check DNS, firewall and proxy")
    if not code and getattr(error, "response", None) is not None:
        found = f"{vault} does not take this machine's token (401), asked {wanted}: {reason}"
        return KeyVaultUnavailableError(found, "AZURE_TENANT_ID has to be the vault's tenant")
    cure = "set AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET, or give the machine a managed identity"
    return KeyVaultUnavailableError(f"this machine has no identity, so {asked}: {reason}", cure)


def _explain_refusal(error: BaseException, secret: str, vault: str) -> KeyVaultError:
    """403 has many reasons, told apart by ``innererror.code`` of the answer, and by its words where that is missing."""
    if getattr(error, "status_code", None) == 429:
        found = f"{vault} is throttling (429), asked again and again for the secret {secret!r}"
        cure = "wait a minute and try again; look for whatever asks the vault all the time"
        return KeyVaultUnavailableError(found, cure)
    text = f"{getattr(getattr(error, 'error', None), 'innererror', None)} {error}"
    if "SecretDisabled" in text or "disabled secret" in text:
        cure = "enable it (az keyvault secret set-attributes --enabled true), or set its new value"
        return KeyVaultError(f"the secret {secret!r} of {vault} is disabled (403)", cure)
    if re.search(r"ForbiddenByFirewall|ForbiddenByConnection|Client address is not authorized|Public network", text):
        cure = "let this machine through: allowed_ip_addresses, or the private endpoint (infra/)"
        found = f"the firewall of {vault} turns this machine away (403), asked for the secret {secret!r}"
        return KeyVaultUnavailableError(found, cure)
    cure = "give Airflow's identity the role Key Vault Secrets User (infra/ does; a new grant takes some minutes)"
    return KeyVaultError(f"{vault} answered 403 Forbidden, asked for the secret {secret!r}", cure)


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:300]}" if lines else type(error).__name__
