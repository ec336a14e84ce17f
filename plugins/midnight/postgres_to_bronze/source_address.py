"""Where the source is and how to log in."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from midnight.errors import SourceError

# Only these keys of a connection's extra (or of a URI's query) are used; anything else is ignored.
ALLOWED_OPTIONS = ("sslmode", "sslrootcert", "sslcert", "sslkey", "sslcrl", "connect_timeout")
DEFAULT_PORT = 5432


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
        """The connection's id, quoted, to stand behind "the connection" in a message; empty without one."""
        return f" {self.connection_id!r}" if self.connection_id else ""

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
