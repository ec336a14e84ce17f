"""What a failure of Synapse means, and what to do about it: both drivers' words for the common ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from midnight.synapse.connection import SynapseServer


def explain(error: BaseException, server: SynapseServer) -> tuple[str, str]:
    """The server's (or driver's) own reason, and what to do.

    Args:
        error: from the driver.
        server: that was talked to.
    """
    text = str(getattr(error, "ddbc_error", None) or error).strip().removeprefix("[Microsoft]")
    text = text.removeprefix("[SQL Server]").splitlines()[0] if text else type(error).__name__
    lower = text.lower()
    for signs, cure in _CURES:
        if any(sign in lower for sign in signs):
            return text, cure.format(database=server.database, identity=server.identity, name=server.name)
    return text, "see the message in Synapse's documentation"


def is_over_budget(error: BaseException) -> bool:
    """Whether the workspace's limit of processed data is reached (``sp_set_data_processed_limit``)."""
    return "budget limit" in str(getattr(error, "ddbc_error", None) or error).lower()


_SETUP = "run the set-up (make synapse, docs/azure.md step 6)"
_CURES: tuple[tuple[tuple[str, ...], str], ...] = (
    (
        ("budget limit",),
        "the queries of the period have read what the set-up allows: see in the workspace's monitor who reads so much, "
        "then wait for the next period, or raise the limit (python -m cli synapse --weekly-limit-tb)",
    ),
    (
        ("cannot be listed", "cannot be opened"),
        "give the workspace's identity the role Storage Blob Data Reader on gold (infra/ does; a new grant takes some "
        "minutes), and let the workspace through the account's firewall",
    ),
    (("resource constraints",), "Synapse is busy: try again later, and look in the workspace's monitor what runs"),
    (("failed to load the driver",), "install requirements.txt again"),
    (
        ("certificate verify failed", "tls handshake failed", "ssl provider"),
        "check the host name, and that this machine trusts the certificate's authority (a proxy that opens TLS shows a "
        "certificate of its own; SSL_CERT_FILE names the trusted ones)",
    ),
    (("cannot open database",), _SETUP + ": it makes the database {database!r} and lets {identity} in"),
    (("not allowed to access the server", "firewall"), "let this machine through (allowed_ip_addresses in infra/)"),
    (("login failed", "token"), _SETUP + ", which lets {identity} in; check {name} and the workspace's tenant"),
    (("permission",), _SETUP + ", which gives the rights of infra/access.yml"),
    (("query timeout",), "look at the SQL requests in the workspace's monitor: is the pool busy, or a query too slow?"),
    (
        ("connection closed", "0x2746", "link failure"),
        "the connection was lost: look for a firewall, VPN or proxy that ends connections",
    ),
    (
        ("refused", "0x27", "0x2a", "timeout", "timed out", "io error", "lookup", "resolve", "tcp provider"),
        "check host and port of {name}, DNS, firewall and private endpoint",
    ),
)
