"""Connections to Synapse serverless SQL: Microsoft's driver, verified TLS, and an Entra ID token.

docs/adr/0015 has the reasons for this driver. Airflow's hook, the setup and ``make doctor`` all connect here.
"""

from __future__ import annotations

import ctypes
import functools
import os
import struct
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from midnight.errors import SynapseError, first_line
from midnight.synapse.error_hints import explain

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential
    from mssql_python import Connection

SCOPE = "https://database.windows.net/.default"  # of Azure SQL and Synapse alike
LOGIN_SECONDS = 30
RETRIES = 2  # the driver retries after 10 s: an idle endpoint has to resume first
QUERY_SECONDS = 1800  # Synapse serverless cancels a query after 30 minutes
_ACCESS_TOKEN = 1256  # SQL_COPT_SS_ACCESS_TOKEN of Microsoft's ODBC driver
_PROVIDER_VARIABLE = "MSSQL_PYTHON_NATIVE_PROVIDER"
FULL_DRIVER, PLAIN_DRIVER = "msodbcsql18", "mssql-odbc"
# Extras of the Airflow connection (type odbc), in lower case. Unknown extras are errors.
_SIGN_IN_EXTRAS = {"tenantid": "tenant_id", "managedidentityclientid": "managed_identity_client_id"}
_SERVER_EXTRAS = {
    "encrypt": "encrypt",
    "hostnameincertificate": "host_name_in_certificate",
    "servercertificate": "server_certificate",
}
_REJECTED_EXTRAS = {
    "authentication": "Midnight always signs in with a token; remove it",
    "trustservercertificate": "the server's certificate is always verified; remove it",
}


@dataclass(frozen=True)
class SynapseServer:
    """The server, the database and the identity to connect with.

    Args:
        host: ``<workspace>-ondemand.sql.azuresynapse.net``.
        database: name of the database.
        port: of the endpoint.
        encrypt: ``yes`` (TDS 7.4) or ``strict`` (TDS 8.0); both verify the certificate.
        host_name_in_certificate: where the certificate has another host name, for example behind a private endpoint.
        server_certificate: file of the only accepted certificate.
        client_id: of a service principal; empty: ``DefaultAzureCredential`` (managed identity, AZURE_* variables, …).
        client_secret: of the service principal.
        tenant_id: of the service principal.
        managed_identity_client_id: of a user-assigned identity, where the machine has several.
        as_person: whether to try the account of ``az login`` first.
        name: of these settings, for messages.
    """

    host: str
    database: str
    port: int = 1433
    encrypt: str = "yes"
    host_name_in_certificate: str = ""
    server_certificate: str = ""
    client_id: str = ""
    client_secret: str = ""
    tenant_id: str = ""
    managed_identity_client_id: str = ""
    as_person: bool = False
    name: str = "the command's options"

    def __repr__(self) -> str:
        return f"SynapseServer(host={self.host!r}, database={self.database!r}, client_id={self.client_id!r})"

    @property
    def identity(self) -> str:
        """The identity that signs in, for messages."""
        if self.client_id:
            return f"the service principal {self.client_id!r}"
        if self.managed_identity_client_id:
            return f"the managed identity {self.managed_identity_client_id!r}"
        return "you (az login)" if self.as_person else "this machine's identity"

    def in_database(self, database: str) -> SynapseServer:
        """Return the same server with another database."""
        return replace(self, database=database)


def server_of_connection(connection: Any, database: str, name: str) -> SynapseServer:
    """Return the server of an Airflow connection of type odbc.

    Args:
        connection: has ``host``, ``port``, ``login``, ``password`` and ``extra_dejson``.
        database: to open.
        name: of the connection, for messages.

    Raises:
        SynapseError: a field is missing, not valid or unknown.
    """
    fields: dict[str, Any] = {}
    for key, value in (connection.extra_dejson or {}).items():
        known = (_SIGN_IN_EXTRAS | _SERVER_EXTRAS).get(key.lower())
        if known is None:
            allowed = "tenantId, managedIdentityClientId, Encrypt, HostNameInCertificate, ServerCertificate"
            hint = _REJECTED_EXTRAS.get(key.lower(), f"use one of {allowed}")
            raise SynapseError(f"connection {name!r} has the unsupported extra {key!r}", hint)
        fields[known] = str(value)
    if not connection.host:
        raise SynapseError(f"connection {name!r} has no host", "write <workspace>-ondemand.sql.azuresynapse.net")
    if fields.get("encrypt", "yes").lower() not in ("yes", "strict"):
        raise SynapseError(f"connection {name!r}: Encrypt is {fields['encrypt']!r}", "write 'yes' or 'strict'")
    given = [bool(connection.login), bool(connection.password), bool(fields.get("tenant_id"))]
    if any(given[:2]) and not all(given):
        raise SynapseError(
            f"connection {name!r}: the service principal is incomplete",
            'it needs login (client id), password (client secret) and the extra {"tenantId": "…"}; leave all three out '
            "to use the machine's own identity",
        )
    return SynapseServer(
        host=connection.host,
        port=int(connection.port or 1433),
        database=database,
        client_id=connection.login or "",
        client_secret=connection.password or "",
        name=f"connection {name!r}",
        **fields,
    )


def connection_string(server: SynapseServer) -> str:
    """Return the driver's connection string; it contains no secret."""
    values = {
        "Server": f"tcp:{server.host},{server.port}",
        "Database": server.database,
        "Encrypt": server.encrypt.lower(),
        "HostnameInCertificate": server.host_name_in_certificate,
        "ServerCertificate": server.server_certificate,
    }
    return "".join(f"{key}={{{value.replace('}', '}}')}}};" for key, value in values.items() if value)


def connect(
    server: SynapseServer, *, autocommit: bool = False, login_seconds: int = LOGIN_SECONDS, retries: int = RETRIES
) -> Connection:
    """Open a connection with a fresh token.

    Args:
        server: with its identity.
        autocommit: when False, the first statement begins a transaction, and closing the connection rolls it back.
        login_seconds: time limit of each attempt to sign in.
        retries: number of further attempts.

    Raises:
        SynapseError: no token, no driver, no connection to the server, or the login was refused.
    """
    token = access_token(server)
    choose_driver()
    import mssql_python

    mssql_python.pooling(enabled=False)  # a pooled connection would keep an expired token
    try:
        connection = mssql_python.connect(
            f"{connection_string(server)}ConnectRetryCount={retries};",
            autocommit=autocommit,
            attrs_before={_ACCESS_TOKEN: struct.pack("<I", 2 * len(token)) + token.encode("utf-16-le")},
            timeout=login_seconds,
        )
    except mssql_python.Error as error:
        reason, hint = explain(error, server)
        raise SynapseError(f"{server.host}: {reason}", hint) from error
    connection.timeout = QUERY_SECONDS
    return connection


def access_token(server: SynapseServer) -> str:
    """Get a token for Synapse from Entra ID.

    Raises:
        SynapseError: Entra ID issued no token, with its reason.
    """
    from azure.core.exceptions import AzureError

    try:
        return _credential(server).get_token(SCOPE).token
    except (AzureError, ValueError) as error:
        first = first_line(error)
        hint = f"correct login, password and tenantId of {server.name}" if server.client_id else _NO_IDENTITY
        raise SynapseError(f"Entra ID issued no token for Synapse to {server.identity}: {first}", hint) from error


_NO_IDENTITY = (
    "assign a managed identity to the machine, set AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET, "
    "or run az login"
)


def _credential(server: SynapseServer) -> TokenCredential:
    from azure.identity import AzureCliCredential, ChainedTokenCredential, DefaultAzureCredential

    if server.client_id:
        return _service_principal(server.tenant_id, server.client_id, server.client_secret)
    chosen = server.managed_identity_client_id
    own = DefaultAzureCredential(managed_identity_client_id=chosen) if chosen else DefaultAzureCredential()
    return ChainedTokenCredential(AzureCliCredential(), own) if server.as_person else own


@functools.lru_cache(maxsize=4)  # caches a valid token: a publication connects several times
def _service_principal(tenant_id: str, client_id: str, client_secret: str) -> TokenCredential:
    from azure.identity import ClientSecretCredential

    return ClientSecretCredential(tenant_id, client_id, client_secret)


def choose_driver() -> tuple[str, str]:
    """Choose the driver of this process: Microsoft's ODBC Driver 18 where it loads, otherwise the plain driver.

    Returns:
        Its name, and why ODBC Driver 18 does not load (empty when it does, or when the environment sets the driver).

    Raises:
        SynapseError: mssql-python does not load.
    """
    try:
        import mssql_python
    except ImportError as error:
        raise SynapseError(f"mssql-python does not load: {error}", "install requirements.txt again") from error
    if os.environ.get(_PROVIDER_VARIABLE):
        return os.environ[_PROVIDER_VARIABLE], ""
    information = mssql_python.get_native_provider_info()
    if information["frozen"] or information["id"] != FULL_DRIVER:
        return str(information["id"]), ""
    try:
        ctypes.CDLL(str(information["driver_path"]))
    except OSError as error:
        mssql_python.native_provider = PLAIN_DRIVER  # type: ignore[attr-defined] # a property of the module
        return PLAIN_DRIVER, str(error)
    return FULL_DRIVER, ""
