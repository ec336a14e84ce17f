"""The settings of every session at the source, whatever the server, the database or the role has set before.

The operator, `make init` and `make doctor` set all of them when they connect; a query of Data Factory sets those that
the text of values depends on.
"""

from __future__ import annotations

from midnight.sql_text import postgres_literal, quote_identifier

# One text form on every server, whatever its postgresql.conf or the role's settings are.
# row_security=off makes a row policy an error: with it on, rows would be missing silently.
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
    "xmloption": "content",
    "client_encoding": "UTF8",
    # Limits that a role may have for interactive use: a table that takes hours must not end after seconds.
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
    "transaction_timeout": "0",
    "lock_timeout": "10min",  # reading the catalogue waits for exclusive locks, too
    # A message to the client in the middle of a COPY makes asyncpg lose the rows before it.
    "client_min_messages": "error",
    "default_transaction_isolation": "read committed",
    "default_transaction_read_only": "on",
    "default_transaction_deferrable": "off",
    "application_name": "midnight",
}
_SINCE_VERSION = {"idle_session_timeout": 14, "transaction_timeout": 17}
# Of a statement that looks at every row of a table: no answer comes meanwhile.
SCAN_TIMEOUT_SECONDS = 86_400.0
# Those that end a session, a transaction or a statement; Data Factory's sessions keep those of the role or database.
TIMEOUTS = ("statement_timeout", "transaction_timeout", "idle_in_transaction_session_timeout", "idle_session_timeout")


def session_settings(version: int) -> dict[str, str]:
    """The settings that a server has.

    Args:
        version: major version.
    """
    return {name: value for name, value in SESSION_SETTINGS.items() if _SINCE_VERSION.get(name, 0) <= version}


def alter_role(user: str, database: str, name: str) -> str:
    """The command that gives a role our setting in a database, which overrides those of the role and the database."""
    return (
        f"ALTER ROLE {quote_identifier(user)} IN DATABASE {quote_identifier(database)} "
        f"SET {name} = {postgres_literal(SESSION_SETTINGS[name])}"
    )
