"""Where the source is and how to log in: the one place that reads connection URIs and hides passwords."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import quote, quote_plus

from midnight.errors import SourceAccessError

# Only these keys of a connection's extra (or of a URI's query) are used; anything else is ignored.
ALLOWED_OPTIONS = ("sslmode", "sslrootcert", "sslcert", "sslkey", "sslcrl", "connect_timeout")
DEFAULT_PORT = 5432
EXAMPLE_URI = "postgresql://user:password@host:5432/database?sslmode=require"
_ENCODING_HINT = "in a password, write @ as %40, : as %3A, / as %2F, ? as %3F, # as %23, % as %25 and a space as %20"


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

    @property
    def named(self) -> str:
        """The connection's id, quoted, for use after the words "the connection" in a message; empty without one."""
        return f" {self.connection_id!r}" if self.connection_id else ""

    def mask(self, text: str) -> str:
        """``text`` without the password in any form that a driver or server may repeat it in."""
        for secret in sorted(_spellings(self.password) - {""}, key=len, reverse=True):
            text = text.replace(secret, "***")
        return text

    @classmethod
    def from_uri(cls, uri: str, connection_id: str = "") -> SourceAddress:
        """The address of a connection URI (``EXAMPLE_URI``).

        Raises:
            SourceAccessError: see ``connection_parameters``; also when host or database is missing.
        """
        name = "the connection URI of the source"
        parameters = connection_parameters(uri, name)
        missing = [key for key in ("host", "dbname") if not parameters.get(key)]
        if missing:
            raise SourceAccessError(f"{name} has no {' and no '.join(missing)}; hint: write it like {EXAMPLE_URI}")
        return cls(
            host=parameters["host"],
            port=int(parameters["port"]),
            database=parameters["dbname"],
            user=parameters.get("user") or "postgres",
            password=parameters.get("password", ""),
            options={key: value for key, value in parameters.items() if key in ALLOWED_OPTIONS},
            connection_id=connection_id,
        )


def connection_parameters(uri: str, name: str) -> dict[str, str]:
    """The parameters of a connection URI, by libpq's names (PostgreSQL manual 34.1.1.2), as libpq itself reads it.

    libpq ends the password at the first "@", and reads no login at all where a "/" comes before it. What is left of
    such a password would become host, port or database, which messages show. So a URI that libpq would split inside
    its password is refused.

    Args:
        uri: ``EXAMPLE_URI``; only ``port`` is filled in where it is missing.
        name: of the URI, for messages.

    Raises:
        SourceAccessError: it is not such a URI, or names several hosts. The message holds no part of the URI, and
            neither has the exception a cause: libpq quotes what it could not read, which may be the password.
    """
    import psycopg  # 0.4 s, which a task pays and a DAG file does not
    from psycopg.conninfo import conninfo_to_dict

    scheme, separator, rest = uri.strip().partition("://")
    if not separator or scheme.lower() not in ("postgresql", "postgres"):
        raise SourceAccessError(f"{name} does not start with postgresql://; hint: write it like {EXAMPLE_URI}")
    if not _is_split_once(rest):
        raise SourceAccessError(f"{name} cannot be split into login, host and database; hint: {_ENCODING_HINT}")
    try:
        read = conninfo_to_dict(f"postgresql://{rest}")
    except (psycopg.Error, UnicodeError):
        raise SourceAccessError(
            f"{name} cannot be split into login, host, port, database and parameters that libpq knows; "
            f"hint: {_ENCODING_HINT}"
        ) from None
    parameters = {key: str(value) for key, value in read.items() if value is not None}
    port = parameters.get("port") or str(DEFAULT_PORT)
    if "," in parameters.get("host", "") or "," in port:
        raise SourceAccessError(f"{name} names several hosts; hint: name the one to read (a standby is fine)")
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise SourceAccessError(f"the port in {name} is not a number from 1 to 65535; hint: {_ENCODING_HINT}")
    return {**parameters, "port": port}


def _is_split_once(rest: str) -> bool:
    """Whether each of the characters that part a URI stands only where it does so."""
    login_and_host, _, path = rest.partition("/")
    login, _, host = login_and_host.rpartition("@")
    database = "" if "?" in host else path.partition("?")[0]  # "/" may be part of a parameter, as in host=/run
    return not ("#" in rest or "@" in login + path or "?" in login or "/" in database)


def _spellings(password: str) -> set[str]:
    """A password as it is, percent-encoded, and with a backslash before quotes (libpq's and Python's quoting)."""
    in_quotes = password.replace("\\", "\\\\").replace("'", "\\'")
    return {password, quote(password), quote(password, safe=""), quote_plus(password), in_quotes, repr(password)[1:-1]}
