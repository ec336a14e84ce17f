"""Errors of the source as one line: what failed, where, and a hint; never with a password."""

from __future__ import annotations

from midnight.errors import (
    MidnightError,
    SourceAccessError,
    SourceError,
    SourceTimeoutError,
    ValueNotRepresentableError,
)
from midnight.postgres_to_bronze.source_address import SourceAddress
from midnight.postgres_to_bronze.source_settings import alter_role
from midnight.sql_text import quote_if_needed

# SQLSTATEs that stay until a person corrects the connection, a role or a grant.
_NO_ACCESS = frozenset({"28P01", "28000", "3D000", "42501"})


def source_error(
    error: BaseException, address: SourceAddress, table: str = "", *, masked: bool = False
) -> MidnightError:
    """The error to raise for a driver's error: one line with a hint, without any password.

    Args:
        error: from asyncpg or the operating system.
        address: where it came from.
        table: qualified name of the table that was being read; empty before that.
        masked: the table has masked columns: PostgreSQL's message about a value is left out, since it quotes the value.

    Returns:
        A SourceError (a SourceAccessError where waiting does not help), or a ValueNotRepresentableError when a value
        did not survive its cast.
    """
    text = " ".join(address.mask(str(error)).split()) or type(error).__name__
    if type(error).__name__ == "InternalClientError":
        text = "the session was ended"
    state = getattr(error, "sqlstate", None) or ""
    if masked and state.startswith("22"):
        text = f"{type(error).__name__}; the value may be of a masked column and is not shown"
    return (
        _value_error(state, text, address, table)
        or _refused(error, state, text, address, table)
        or _no_tls(text, address)
        or SourceError(_unreachable(error, text, address, table))
    )


def _value_error(state: str, text: str, address: SourceAddress, table: str) -> ValueNotRepresentableError | None:
    if state in ("22021", "22P05"):  # character not in repertoire, untranslatable character
        place = f"{table or 'the catalogue'} of {address.place}"
        return ValueNotRepresentableError(
            f"{place} holds a text{'' if table else ' (a name or a comment)'} that PostgreSQL "
            f"cannot convert to UTF-8 ({text}); hint: correct it in the source, whose encoding does not check texts "
            "(SHOW server_encoding)"
        )
    if state.startswith("22") and table:
        return ValueNotRepresentableError(
            f"{table}: PostgreSQL cannot convert a value to the bronze_type of its column ({text}); "
            "hint: use another type for that column, for example bronze_type: text"
        )
    return None


def _refused(error: BaseException, state: str, text: str, address: SourceAddress, table: str) -> SourceError | None:
    """An error that the server itself reported; None where the connection broke."""
    while_reading = f" while {table} was read" if table else ""
    timeout = _timeout(state, text)
    if timeout:
        # Our sessions set it to 0; only a pool in transaction mode, which changes the server session, loses that.
        return SourceTimeoutError(
            f"PostgreSQL at {address.place} ended the session{while_reading} by its {timeout}; hint: run "
            f"{alter_role(address.user, address.database, timeout)}, and connect to the server itself, not through a "
            "pool in transaction mode"
        )
    hint = _hint(error, state, text, address, table)
    if hint is not None:
        kind = SourceAccessError if state in _NO_ACCESS or "row-level security" in text else SourceError
        return kind(f"PostgreSQL at {address.place} refused{while_reading}: {text}; hint: {hint}")
    if state and not state.startswith(("08", "57P")):
        return SourceError(
            f"PostgreSQL at {address.place} failed{while_reading}: {text} (SQLSTATE {state}); nothing was sealed; "
            "hint: correct the cause, then clear the ingest task"
        )
    return None


def _no_tls(text: str, address: SourceAddress) -> SourceAccessError | None:
    if "rejected SSL upgrade" not in text:
        return None
    return SourceAccessError(
        f"PostgreSQL at {address.place} does not offer TLS, which sslmode={address.options.get('sslmode')} requires; "
        "hint: set ssl = on in its postgresql.conf, or in a trusted network use sslmode=prefer in the "
        f"connection{address.named}"
    )


def _unreachable(error: BaseException, text: str, address: SourceAddress, table: str) -> str:
    where = f"PostgreSQL at {address.place}"
    if table:
        return (
            f"the connection to {where} was lost while {table} was read: {text}; nothing of this table was sealed; "
            "hint: clear the ingest task when the server is back"
        )
    named = address.named
    if isinstance(error, TimeoutError):
        return (
            f"{where} cannot be reached: no answer came in time; hint: check that host and port in the "
            f"connection{named} are correct, that PostgreSQL listens there, and that no firewall blocks it"
        )
    return (
        f"{where} cannot be reached: {text}; hint: check that it runs, that host and port in the connection{named} are "
        "correct, and that no firewall blocks it"
    )


def _timeout(state: str, text: str) -> str:
    """The setting that ended a statement, transaction or session; empty for any other error."""
    if state == "57014":  # also after pg_cancel_backend; the message is in the server's language
        return "statement_timeout" if "statement timeout" in text else ""
    names = {
        "25P03": "idle_in_transaction_session_timeout",
        "25P04": "transaction_timeout",
        "57P05": "idle_session_timeout",
    }
    return names.get(state, "")


def _hint(error: BaseException, state: str, text: str, address: SourceAddress, table: str) -> str | None:
    """What to do about an error of the server, by SQLSTATE (appendix A of the PostgreSQL manual)."""
    role, named = quote_if_needed(address.user), address.named
    if "row-level security" in text:
        return f"a row policy would hide rows of {table}: run ALTER ROLE {role} BYPASSRLS, or read as the table's owner"
    if state == "42501" and "for database" in text:
        return f"run GRANT CONNECT ON DATABASE {quote_if_needed(address.database)} TO {role}"
    if table and state.startswith(("08", "HV")) and getattr(error, "severity", None):  # from the server itself
        return (
            "a foreign table that is a partition of it cannot be read from its own server: correct that server or the "
            f"user mapping of {role}, then clear the ingest task"
        )
    if "conflict with recovery" in text:
        return "on the standby set hot_standby_feedback = on or raise max_standby_streaming_delay, then clear the task"
    hints = {
        "28P01": f"correct the password of user {address.user!r} in the connection{named}",
        "28000": f"allow user {address.user!r} to log in (pg_hba.conf, role) or correct the connection{named}",
        "3D000": f"correct the database in the connection{named}",
        "42501": f"run GRANT USAGE ON its schema and GRANT SELECT ON {table or 'the table'} TO {role}",
        "42P01": f"the table {table} does not exist any more: correct or delete its file in include/tables",
        "42703": f"a column of {table} does not exist any more: run make init again or delete the column from its file",
        "53200": "raise max_locks_per_transaction (each table and partition takes a lock per connection), or lower "
        "connections of the load group in pipeline.yml",
        "53300": "lower connections of the load group in pipeline.yml, or raise max_connections",
        "57014": "the statement was cancelled: clear the task; if it was a timeout, run "
        f"{alter_role(address.user, address.database, 'statement_timeout')} before",
        "55P03": "another session holds a lock on the table; clear the task when it is released",
        "72000": "raise old_snapshot_threshold, then clear the task",
    }
    return hints.get(state)
