"""Parser of libpq's ``postgresql://…`` URLs, whose messages never contain the password."""

from __future__ import annotations

import getpass
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from midnight.errors import MidnightError
from midnight.names import safe_name

EXAMPLE = "postgresql://user:password@host:5432/database?sslmode=require"
# libpq parameters that are passed on; the others have no effect on what is read.
KEPT_PARAMETERS = ("sslmode", "sslrootcert", "sslcert", "sslkey", "sslcrl")
IGNORED_PARAMETERS = (
    "application_name",
    "channel_binding",
    "connect_timeout",
    "fallback_application_name",
    "gssencmode",
    "keepalives",
    "keepalives_idle",
    "target_session_attrs",
)
_SEVERAL_HOSTS = "SOURCE has several hosts; hint: write the one to read from (a standby is fine)"
SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")


class SourceUrlError(MidnightError):
    """The variable SOURCE is not a valid URL of a PostgreSQL database."""


@dataclass(frozen=True)
class SourceUrl:
    """Address and login of a PostgreSQL database.

    Args:
        host: host name, address, or the folder of a Unix socket.
        user: of the URL; by default the operating system's user, as in libpq.
        password: None when the URL has none, so that a password file or no password is used.
        parameters: TLS settings, by their libpq names.
    """

    host: str
    port: int
    user: str
    password: str | None = field(repr=False)
    database: str
    parameters: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        """For messages: without the password."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.user}@{host}:{self.port}/{self.database}"

    @property
    def source_name(self) -> str:
        """Name of the source in bronze, derived from the database's name."""
        return safe_name(self.database).lower()

    def airflow_connection(self) -> dict[str, Any]:
        """The connection for Airflow's ``LocalFilesystemBackend``, including the password."""
        entry: dict[str, Any] = {
            "conn_type": "postgres",
            "host": self.host,
            "port": self.port,
            "login": self.user,
            "password": self.password or "",
            "schema": self.database,
        }
        if self.parameters:
            entry["extra"] = dict(self.parameters)
        return entry


def parse_source_url(text: str) -> SourceUrl:
    """Parse a libpq URL (PostgreSQL manual, section 34.1.1.2).

    Raises:
        SourceUrlError: it is not valid; the message has no part of it that could be the password.
    """
    text = text.strip()
    if not text:
        raise SourceUrlError(f"SOURCE is empty; hint: run make init SOURCE='{EXAMPLE}'")
    scheme, separator, rest = text.partition("://")
    if not separator or scheme.lower() not in ("postgresql", "postgres"):
        raise SourceUrlError(f"SOURCE is not a postgresql:// URL; hint: for example {EXAMPLE}")
    if "," in rest.partition("?")[0].partition("/")[0].rpartition("@")[2]:
        raise SourceUrlError(_SEVERAL_HOSTS)
    hint = "hint: in a password, write @ as %40, : as %3A, / as %2F, ? as %3F, # as %23 and % as %25"
    try:
        # With a neutral scheme every Python version splits in the same way.
        url = urlsplit(f"http://{rest}")
        port_in_url = url.port
        query = parse_qsl(url.query, keep_blank_values=True, strict_parsing=bool(url.query))
    except ValueError:
        # `from None`: urllib's message quotes the part that it could not read, which may be the password.
        raise SourceUrlError(f"SOURCE cannot be split into host, port and database; {hint}") from None
    if url.fragment or "#" in rest:
        raise SourceUrlError(f"SOURCE has a '#'; {hint}")
    parameters = dict(query)
    host = parameters.pop("host", "") or _host(url.netloc)
    if "," in host or "," in parameters.get("port", ""):
        raise SourceUrlError(_SEVERAL_HOSTS)
    database = parameters.pop("dbname", "") or unquote(url.path.removeprefix("/"))
    if not database:
        raise SourceUrlError(f"SOURCE has no database after the host; hint: for example {EXAMPLE}")
    if "/" in url.path.removeprefix("/"):
        raise SourceUrlError(f"SOURCE has more than one '/' after the host; {hint}")
    port = _port(parameters.pop("port", ""), port_in_url)
    user = parameters.pop("user", "") or unquote(url.username or "") or _operating_system_user()
    password = parameters.pop("password", "") or (unquote(url.password) if url.password else None)
    return SourceUrl(
        host=host or "localhost",
        port=port,
        user=user,
        password=password,
        database=database,
        parameters=_known(parameters),
    )


def _operating_system_user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        raise SourceUrlError(f"SOURCE has no user; hint: for example {EXAMPLE}") from None


def _host(netloc: str) -> str:
    """The host with its capitals (a socket folder has them) and without the brackets of IPv6."""
    host = netloc.rpartition("@")[2]
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return unquote(host.partition(":")[0])


def _port(parameter: str, in_url: int | None) -> int:
    if not parameter:
        return in_url or 5432
    if not parameter.isdecimal() or not 0 < int(parameter) < 65536:
        raise SourceUrlError(f"SOURCE has port={parameter!r}; hint: a number from 1 to 65535")
    return int(parameter)


def _known(parameters: Mapping[str, str]) -> dict[str, str]:
    unknown = sorted(set(parameters) - {*KEPT_PARAMETERS, *IGNORED_PARAMETERS})
    if unknown:
        raise SourceUrlError(
            f"SOURCE has the unknown parameters {unknown!r}; hint: remove them, known are {', '.join(KEPT_PARAMETERS)}"
        )
    mode = parameters.get("sslmode")
    if mode is not None and mode not in SSL_MODES:
        raise SourceUrlError(f"SOURCE has sslmode={mode!r}; hint: one of {', '.join(SSL_MODES)}")
    return {name: parameters[name] for name in KEPT_PARAMETERS if name in parameters}
