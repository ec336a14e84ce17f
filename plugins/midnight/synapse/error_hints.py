"""Reason and hint for the common errors of Synapse, as both drivers report them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from midnight.synapse.connection import SynapseServer


def explain(error: BaseException, server: SynapseServer) -> tuple[str, str]:
    """Return the server's (or driver's) own message, and a hint.

    Args:
        error: from the driver.
        server: that the driver connected to.
    """
    text = str(getattr(error, "ddbc_error", None) or error).strip().removeprefix("[Microsoft]")
    text = text.removeprefix("[SQL Server]").splitlines()[0] if text else type(error).__name__
    lower = text.lower()
    for patterns, hint in _HINTS:
        if any(pattern in lower for pattern in patterns):
            return text, hint.format(database=server.database, identity=server.identity, name=server.name)
    return text, "look up the message in Synapse's documentation"


def is_over_budget(error: BaseException) -> bool:
    """Whether the workspace's limit of processed data is reached (``sp_set_data_processed_limit``)."""
    return "budget limit" in str(getattr(error, "ddbc_error", None) or error).lower()


_SETUP = "run the setup (make synapse, docs/azure.md step 6)"
_HINTS: tuple[tuple[tuple[str, ...], str], ...] = (
    (
        ("budget limit",),
        "queries have processed the data volume that the setup allows for this period: find the largest readers in the "
        "workspace's monitor, then wait for the next period, or raise the limit "
        "(python -m cli synapse --weekly-limit-tb)",
    ),
    (
        ("cannot be listed", "cannot be opened"),
        "grant the workspace's identity the role Storage Blob Data Reader on gold (infra/ does; a new grant takes some "
        "minutes to apply), and allow the workspace in the storage account's firewall",
    ),
    (
        ("resource constraints",),
        "Synapse is busy: try again later, and check the requests in the workspace's monitor",
    ),
    (("failed to load the driver",), "install requirements.txt again"),
    (
        ("certificate verify failed", "tls handshake failed", "ssl provider"),
        "check the host name, and that this machine trusts the certificate's authority (a proxy that inspects TLS has "
        "a certificate of its own; SSL_CERT_FILE sets the trusted ones)",
    ),
    (("cannot open database",), _SETUP + ": it creates the database {database!r} and grants {identity} access"),
    (("not allowed to access the server", "firewall"), "allow this machine's address (allowed_ip_addresses in infra/)"),
    (("login failed", "token"), _SETUP + ", which grants {identity} access; check {name} and the workspace's tenant"),
    (("permission",), _SETUP + ", which grants the rights of infra/access.yml"),
    (
        ("query timeout",),
        "check the requests in the workspace's monitor: the pool may be busy, or the query too slow",
    ),
    (
        ("connection closed", "0x2746", "link failure"),
        "the connection was lost: look for a firewall, VPN or proxy that closes connections",
    ),
    (
        ("refused", "0x27", "0x2a", "timeout", "timed out", "io error", "lookup", "resolve", "tcp provider"),
        "check host and port of {name}, DNS, firewall and private endpoint",
    ),
)
