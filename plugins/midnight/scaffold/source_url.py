"""The variable SOURCE of ``make init``: a ``postgresql://`` URL, and the Airflow connection that is made of it."""

from __future__ import annotations

import getpass
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from midnight.errors import SourceError
from midnight.names import safe_name
from midnight.postgres_to_bronze.source_address import EXAMPLE_URI, connection_parameters

# libpq parameters that change how to connect; everything else (options, application_name …) is not passed on.
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
SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")


@dataclass(frozen=True)
class SourceUrl:
    """Where a PostgreSQL database is, and how to log in to it.

    Args:
        host: host name, address, or the folder of a Unix socket.
        user: of the URL; without one the name of the operating system's user, as in libpq.
        password: None when the URL has none.
        parameters: TLS settings, by their libpq names.
    """

    host: str
    port: int
    user: str
    password: str | None = field(repr=False)
    database: str
    parameters: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        """For people: no password."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.user}@{host}:{self.port}/{self.database}"

    @property
    def source_name(self) -> str:
        """What the source is called in bronze: made from the database's name."""
        return safe_name(self.database).lower()

    def airflow_connection(self) -> dict[str, Any]:
        """An entry of the file that Airflow's ``LocalFilesystemBackend`` reads; it holds the password."""
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
    """Read the variable SOURCE.

    Raises:
        SourceError: it is empty, not a URL of one PostgreSQL database, or has parameters that Midnight does not use.
            The message holds no part of it that could be the password.
    """
    if not text.strip():
        raise SourceError(f"SOURCE is empty; hint: run make init SOURCE='{EXAMPLE_URI}'")
    parameters = connection_parameters(text, "SOURCE")
    database = parameters.pop("dbname", "")
    if not database:
        raise SourceError(f"SOURCE has no database after the host; hint: write it like {EXAMPLE_URI}")
    return SourceUrl(
        host=parameters.pop("host", "") or "localhost",
        port=int(parameters.pop("port")),
        user=parameters.pop("user", "") or _operating_system_user(),
        password=parameters.pop("password", "") or None,
        database=database,
        parameters=_kept(parameters),
    )


def _operating_system_user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        raise SourceError(f"SOURCE names no user; hint: write it like {EXAMPLE_URI}") from None


def _kept(parameters: Mapping[str, str]) -> dict[str, str]:
    unused = sorted(set(parameters) - {*KEPT_PARAMETERS, *IGNORED_PARAMETERS})
    if unused:  # names of libpq's own list: nothing of a password can be among them
        raise SourceError(
            f"SOURCE has the parameters {unused!r}, which Midnight does not use; hint: remove them (it uses "
            f"{', '.join(KEPT_PARAMETERS)})"
        )
    mode = parameters.get("sslmode")
    if mode is not None and mode not in SSL_MODES:
        raise SourceError(f"sslmode in SOURCE is not valid; hint: use one of {', '.join(SSL_MODES)}")
    return {name: parameters[name] for name in KEPT_PARAMETERS if name in parameters}
