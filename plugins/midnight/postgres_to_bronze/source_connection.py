"""Logging in to the source, with session settings that make every value's text form the same on every server."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any

from midnight.errors import SourceAccessError
from midnight.postgres_to_bronze.source_address import SourceAddress
from midnight.postgres_to_bronze.source_errors import source_error
from midnight.postgres_to_bronze.source_settings import session_settings
from midnight.sql_text import postgres_literal

if TYPE_CHECKING:
    import asyncpg

CONNECT_TIMEOUT_SECONDS = 15
# Of a statement other than COPY. A proxy or a hung server may keep a connection open without answering, which keepalive
# does not notice. Longer than lock_timeout, whose error says more.
STATEMENT_TIMEOUT_SECONDS = 900.0
DEFAULT_ROOT_CERTIFICATE = Path("~/.postgresql/root.crt")  # of libpq and asyncpg


async def connect(address: SourceAddress) -> asyncpg.Connection:
    """A connection whose session settings make every value's text form the same on every server.

    Raises:
        SourceError: unreachable, wrong password, unknown database.
    """
    import asyncpg

    timeout = float(address.options.get("connect_timeout") or CONNECT_TIMEOUT_SECONDS)
    try:
        connection = await asyncpg.connect(
            host=address.host,
            port=address.port,
            user=address.user,
            password=address.password,
            database=address.database,
            timeout=timeout,
            command_timeout=STATEMENT_TIMEOUT_SECONDS,
            statement_cache_size=0,  # PgBouncer
            passfile="/dev/null",  # neither the user's ~/.pgpass nor PG* variables may redirect it
            **_ssl_arguments(address),
        )
        _keep_alive(connection)
        settings = session_settings(connection.get_server_version().major)
        await connection.execute(
            "; ".join(f"SET {name} = {postgres_literal(value)}" for name, value in settings.items())
        )
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise source_error(error, address) from error
    return connection


def _keep_alive(connection: asyncpg.Connection) -> None:
    """Detect within two minutes that a server or network is gone; firewalls also drop idle connections."""
    raw = connection._transport.get_extra_info("socket")
    if raw is None or raw.family not in (socket.AF_INET, socket.AF_INET6):
        return
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4)):
        if hasattr(socket, name):  # not on every system
            raw.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _ssl_arguments(address: SourceAddress) -> dict[str, Any]:
    """asyncpg's ``ssl``: libpq's mode name, or a context when certificates are named.

    Raises:
        SourceAccessError: a file cannot be used, or sslmode verifies the server and no authority is configured.
    """
    mode = address.options.get("sslmode") or "prefer"
    names = ("sslrootcert", "sslcert", "sslkey", "sslcrl")
    files = {key: address.options[key] for key in names if address.options.get(key)}
    if mode.startswith("verify-") and "sslrootcert" not in files and not DEFAULT_ROOT_CERTIFICATE.expanduser().exists():
        raise SourceAccessError(
            f"sslmode={mode} needs the authority that signed the certificate of {address.place}; hint: add "
            f"sslrootcert=<file> to the connection{address.named}, or sslrootcert=system for the authorities that this "
            "machine trusts"
        )
    if not files or mode in ("disable", "allow", "prefer"):
        return {"ssl": mode}
    authorities = files.get("sslrootcert")
    try:
        context = ssl.create_default_context(cafile=None if authorities == "system" else authorities)
        context.check_hostname = mode == "verify-full"
        if mode == "require" and authorities is None:
            context.verify_mode = ssl.CERT_NONE
        if "sslcert" in files:
            # An empty password: without one, OpenSSL would ask for it on the terminal if the key is encrypted.
            context.load_cert_chain(files["sslcert"], files.get("sslkey"), password="")
        if "sslcrl" in files:
            context.load_verify_locations(files["sslcrl"])
            context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    except (OSError, ssl.SSLError) as error:
        raise SourceAccessError(
            f"the certificate files of {address.place} cannot be used ({error}); hint: correct {sorted(files)!r} in "
            f"the connection{address.named}"
        ) from error
    return {"ssl": context}
