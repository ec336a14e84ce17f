"""The identity that accesses the lake: configured once, for Microsoft's client and for delta-rs."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from azure.identity import ClientSecretCredential, DefaultAzureCredential
from azure.storage.blob import BlobServiceClient

from midnight.errors import LakeError
from midnight.lake.azure.retries import CLIENT_OPTIONS, configure_azure_logging

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

STORAGE_SCOPE = "https://storage.azure.com/.default"
_SUFFIX = "core.windows.net"


@dataclass(frozen=True)
class LakeCredential:
    """A connection string, a service principal, a managed identity (by its client id), or, if no field is set, the
    default credential chain of azure-identity.

    Args:
        tenant_id: of the service principal.
        client_id: of the service principal, or of a user-assigned managed identity.
        client_secret: of the service principal.
        connection_string: of the storage account, with a key or a SAS token.
        name: id of the Airflow connection that configures it, for messages.
    """

    tenant_id: str = ""
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    connection_string: str = field(default="", repr=False)
    name: str = ""

    @property
    def identity(self) -> str:
        """Description of the identity, for messages."""
        if self.connection_string:
            return f"the connection string in connection {self.name!r}"
        if self.client_secret:
            return f"the service principal in connection {self.name!r}"
        return f"the managed identity {self.client_id!r}" if self.client_id else "this machine"

    @property
    def secrets(self) -> list[str]:
        """Values that must not appear in any log or message."""
        parts = _parts(self.connection_string)
        token = parts.get("sharedaccesssignature", "")
        signature = next((pair[4:] for pair in token.split("&") if pair.startswith("sig=")), "")
        found = [self.client_secret, self.connection_string, parts.get("accountkey", ""), token, signature]
        return [secret for secret in found if secret]

    def token_credential(self, **options: Any) -> TokenCredential:
        """The credential of azure-identity; not for a connection string."""
        if self.client_secret:
            return ClientSecretCredential(self.tenant_id, self.client_id, self.client_secret, **options)
        if self.client_id:
            options = {**options, "managed_identity_client_id": self.client_id}
        return DefaultAzureCredential(**options)

    def blob_service(self, account: str, **options: Any) -> BlobServiceClient:
        """Create a client of the account; sends no request.

        Args:
            account: name of the storage account.
            options: of the client, in addition to ``CLIENT_OPTIONS``.

        Raises:
            LakeError: the connection string is not valid, or is for another account.
        """
        configure_azure_logging()
        options = {**CLIENT_OPTIONS, **options}
        if not self.connection_string:
            return BlobServiceClient(f"https://{account}.blob.{_SUFFIX}", self.token_credential(), **options)
        problem = ""
        try:
            base64.b64decode(_parts(self.connection_string).get("accountkey", ""), validate=True)
            service = BlobServiceClient.from_connection_string(self.connection_string, **options)
            if service.account_name != account:
                problem = f"is for the account {service.account_name!r}, not {account!r}"
        except (ValueError, TypeError):
            problem = "is not valid"
        if problem:  # outside the except, because the exception may contain the key
            raise LakeError(
                f"the connection string in connection {self.name!r} {problem}; hint: copy it again from the "
                "account (AccountName, and AccountKey or SharedAccessSignature), or correct MIDNIGHT_STORAGE_ACCOUNT"
            )
        return service

    def delta_options(self, account: str) -> dict[str, str]:
        """The ``storage_options`` of delta-rs for the same identity.

        delta-rs requests tokens for a service principal by itself. For the default credential chain, which differs from
        that of delta-rs, the options contain a token: they are valid as long as it is, at least an hour.

        Raises:
            azure.core.exceptions.AzureError: Entra ID did not issue a token.
        """
        options = {"azure_storage_account_name": account}
        if self.connection_string:
            return options | _delta_options(self.connection_string, account)
        if self.client_secret:
            return options | {
                "azure_tenant_id": self.tenant_id,
                "azure_client_id": self.client_id,
                "azure_client_secret": self.client_secret,
            }
        return options | {"azure_storage_token": self.token_credential().get_token(STORAGE_SCOPE).token}


def _parts(connection_string: str) -> dict[str, str]:
    pairs = (part.split("=", 1) for part in connection_string.split(";") if "=" in part)
    return {name.strip().lower(): value.strip() for name, value in pairs}


def _delta_options(connection_string: str, account: str) -> dict[str, str]:
    """The parts of a connection string under the names of delta-rs."""
    parts = _parts(connection_string)
    names = {"accountkey": "azure_storage_account_key", "sharedaccesssignature": "azure_storage_sas_token"}
    options = {names[name]: value for name, value in parts.items() if name in names}
    suffix = parts.get("endpointsuffix", _SUFFIX)
    protocol = parts.get("defaultendpointsprotocol", "https")
    endpoint = parts.get("blobendpoint", f"{protocol}://{account}.blob.{suffix}").rstrip("/")
    if endpoint != f"https://{account}.blob.{_SUFFIX}":
        options["azure_storage_endpoint"] = endpoint
    if urlsplit(endpoint).scheme == "http":
        options["azure_allow_http"] = "true"
    return options
