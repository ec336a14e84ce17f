"""Logging in to the source, and saying what went wrong in one sentence that never holds a password."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from midnight.errors import MidnightError, SourceError, ValueNotRepresentableError

if TYPE_CHECKING:
    import asyncpg

# Only these keys of a connection's extra (or of a URI's query) are used; anything else is ignored.
ALLOWED_OPTIONS = ("sslmode", "sslrootcert", "sslcert", "sslkey", "sslcrl", "connect_timeout")
DEFAULT_PORT = 5432
CONNECT_TIMEOUT_SECONDS = 15
DEFAULT_ROOT_CERTIFICATE = Path("~/.postgresql/root.crt")  # of libpq and asyncpg

# One text form on every server, whatever its postgresql.conf or the role's settings say.
# row_security=off makes a row policy an error: with it on, rows would be missing without a word.
SESSION_SETTINGS = {
    "DateStyle": "ISO",
    "IntervalStyle": "iso_8601",
    "TimeZone": "UTC",
    "extra_float_digits": "3",
    "bytea_output": "hex",
    "row_security": "off",
    "search_path": "pg_catalog",
    # How the server reads our SQL and prints names: with these changed, a pattern's backslash and a type's name
    # ("date" in quotes) would mean something else.
    "standard_conforming_strings": "on",
    "quote_all_identifiers": "off",
    "transform_null_equals": "off",
    "xmlbinary": "base64",
    "idle_in_transaction_session_timeout": "0",
    "lock_timeout": "10min",  # reading the catalogue waits for exclusive locks, too
    "application_name": "midnight",
}


@dataclass(frozen=True)
class SourceAddress:
    """Where the source is and how to log in.

    Args:
        options: ``sslmode``, ``sslrootcert``, ``sslcert``, ``sslkey``, ``sslcrl``, ``connect_timeout`` (seconds), as
            in libpq.
        connection_id: Airflow connection that the address came from, for messages.
    """

    host: str
    database: str
    user: str
    port: int = DEFAULT_PORT
    password: str = field(default="", repr=False)
    options: dict[str, str] = field(default_factory=dict)
    connection_id: str = ""

    @property
    def place(self) -> str:
        """``host:port/database``, for messages and manifests."""
        return f"{self.host}:{self.port}/{self.database}"

    def mask(self, text: str) -> str:
        """``text`` without the password, in case that a driver or server repeats it."""
        for secret in {self.password, quote(self.password, safe="")} - {""}:
            text = text.replace(secret, "***")
        return text

    @classmethod
    def from_uri(cls, uri: str, connection_id: str = "") -> SourceAddress:
        """From ``postgresql://user:password@host:port/database?sslmode=require``.

        Raises:
            SourceError: it is not such a URI (the message does not repeat it: it may hold a password).
        """
        try:
            parts = urlsplit(uri)
            port = parts.port or DEFAULT_PORT
        except ValueError:
            parts, port = urlsplit(""), 0
        if parts.scheme not in ("postgresql", "postgres") or not parts.hostname or not parts.path.strip("/"):
            raise SourceError("the source's address is not of the form postgresql://user:password@host:port/database")
        return cls(
            host=parts.hostname,
            port=port,
            database=unquote(parts.path.lstrip("/")),
            user=unquote(parts.username or "postgres"),
            password=unquote(parts.password or ""),
            options={key: value for key, value in parse_qsl(parts.query) if key in ALLOWED_OPTIONS},
            connection_id=connection_id,
        )


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
            statement_cache_size=0,  # PgBouncer
            passfile="/dev/null",  # neither the user's ~/.pgpass nor PG* variables may redirect it
            **_ssl_arguments(address),
        )
        _keep_alive(connection)
        settings = "; ".join(f"SET {name} = '{value}'" for name, value in SESSION_SETTINGS.items())
        await connection.execute(settings)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise source_error(error, address) from error
    return connection


def _keep_alive(connection: asyncpg.Connection) -> None:
    """Notice within two minutes that a server or network is gone without a word; firewalls also drop silent ones."""
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
        SourceError: a file cannot be used, or the server shall be verified and nothing says against what.
    """
    mode = address.options.get("sslmode") or "prefer"
    names = ("sslrootcert", "sslcert", "sslkey", "sslcrl")
    files = {key: address.options[key] for key in names if address.options.get(key)}
    if mode.startswith("verify-") and "sslrootcert" not in files and not DEFAULT_ROOT_CERTIFICATE.expanduser().exists():
        raise SourceError(
            f"sslmode={mode} needs to know who signed the certificate of {address.place}: add sslrootcert=<file> to "
            f"the connection{_named(address)}, or sslrootcert=system for the authorities that this machine trusts"
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
            # An empty password: without any, OpenSSL would ask on the terminal for that of an encrypted key.
            context.load_cert_chain(files["sslcert"], files.get("sslkey"), password="")
        if "sslcrl" in files:
            context.load_verify_locations(files["sslcrl"])
            context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    except (OSError, ssl.SSLError) as error:
        raise SourceError(
            f"the certificate files of {address.place} cannot be used ({error}); correct {sorted(files)!r} in the "
            f"connection{_named(address)}"
        ) from error
    return {"ssl": context}


def source_error(
    error: BaseException, address: SourceAddress, table: str = "", *, masked: bool = False
) -> MidnightError:
    """What a data engineer has to know and do about a driver's error; without any password.

    Args:
        error: from asyncpg or the operating system.
        address: where it came from.
        table: qualified name of the table that was being read; empty before that.
        masked: the table has masked columns: PostgreSQL's sentence about a value is not passed on, since it quotes it.

    Returns:
        A SourceError, or a ValueNotRepresentableError when a value did not survive its cast.
    """
    text = " ".join(address.mask(str(error)).split()) or type(error).__name__
    if type(error).__name__ == "InternalClientError":
        text = "the session was ended"
    state = getattr(error, "sqlstate", None) or ""
    if masked and state.startswith("22"):
        text = f"{type(error).__name__}; the value may be of a masked column and is not shown"
    while_reading = f" while {table} was read" if table else ""
    if state in ("22021", "22P05"):  # character not in repertoire, untranslatable character
        place = f"{table or 'the catalogue'} of {address.place}"
        return ValueNotRepresentableError(
            f"{place} holds a text{'' if table else ' (a name or a comment)'} that PostgreSQL "
            f"cannot give as UTF-8 ({text}); correct it in the source, whose encoding does not check texts "
            "(SHOW server_encoding)"
        )
    if state.startswith("22") and table:
        return ValueNotRepresentableError(
            f"{table}: PostgreSQL cannot convert a value as the table's store: setting asks ({text}); "
            "write another store: type for that column, for example store: text"
        )
    cure = _cure(error, state, text, address, table)
    if cure is not None:
        return SourceError(f"PostgreSQL at {address.place} refused{while_reading}: {text}; {cure}")
    if state and not state.startswith(("08", "57P")):
        return SourceError(
            f"PostgreSQL at {address.place} failed{while_reading}: {text} (SQLSTATE {state}); nothing was sealed, "
            "clear the ingest task once the cause is gone"
        )
    if table:
        return SourceError(
            f"PostgreSQL at {address.place} went away{while_reading}: {text}; nothing of this table was sealed, clear "
            "the ingest task when the server is back"
        )
    return SourceError(_unreachable(error, text, address))


def _unreachable(error: BaseException, text: str, address: SourceAddress) -> str:
    where = f"PostgreSQL at {address.place}"
    named = _named(address)
    if "rejected SSL upgrade" in text:
        return (
            f"{where} offers no TLS, which sslmode={address.options.get('sslmode')} asks for; set ssl = on in its "
            f"postgresql.conf, or where the network is trusted write sslmode=prefer in the connection{named}"
        )
    if isinstance(error, TimeoutError):
        return (
            f"{where} cannot be reached: no answer came in time; check that host and port in the connection{named} are "
            "right, that PostgreSQL and no other program listens there, and that no firewall is between"
        )
    return (
        f"{where} cannot be reached: {text}; check that it runs, that host and port in the connection{named} are "
        "right, and that no firewall is between"
    )


def _named(address: SourceAddress) -> str:
    return f" {address.connection_id!r}" if address.connection_id else ""


def _cure(error: BaseException, state: str, text: str, address: SourceAddress, table: str) -> str | None:
    """What to do about an answer of the server, by SQLSTATE (appendix A of the PostgreSQL manual)."""
    user, named = address.user, _named(address)
    if "row-level security" in text:
        return f"a row policy would hide rows of {table}; run ALTER ROLE {user} BYPASSRLS, or read as the table's owner"
    if state == "42501" and "for database" in text:
        return f"run GRANT CONNECT ON DATABASE {address.database} TO {user}"
    if table and state.startswith(("08", "HV")) and getattr(error, "severity", None):  # the server itself says so
        return (
            "a foreign table that is a part of it cannot be read from its own server; correct that server or the user "
            f"mapping of {user}, then clear the ingest task"
        )
    if "conflict with recovery" in text:
        return "on the standby set hot_standby_feedback = on or raise max_standby_streaming_delay, then clear the task"
    cures = {
        "28P01": f"correct the password of user {user!r} in the connection{named}",
        "28000": f"let user {user!r} log in (pg_hba.conf, role) or correct the connection{named}",
        "3D000": f"correct the database in the connection{named}",
        "42501": f"run GRANT USAGE ON its schema and GRANT SELECT ON {table or 'the table'} TO {user}",
        "42P01": f"the table {table} is gone; correct or delete its file in include/tables",
        "42703": f"a column of {table} is gone; run make init again or delete the column from its file",
        "53200": "raise max_locks_per_transaction (each table and partition takes a lock per connection), or lower "
        "connections of the load group in pipeline.yml",
        "53300": "lower connections of the load group in pipeline.yml, or raise max_connections",
        "57014": "the statement was cancelled (statement_timeout of the role, or by hand); raise the timeout for this "
        "role and clear the task",
        "25P04": "the session ran into transaction_timeout; run ALTER ROLE "
        f"{user} SET transaction_timeout = 0 and clear the task",
        "55P03": "another session holds a lock on the table; clear the task when it is gone",
        "72000": "raise old_snapshot_threshold, then clear the task",
    }
    return cures.get(state)
