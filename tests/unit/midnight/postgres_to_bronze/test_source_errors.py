"""The error raised for a driver's error: one line with the matching hint."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from midnight.errors import SourceAccessError, SourceError, ValueNotRepresentableError
from midnight.postgres_to_bronze.source_address import SourceAddress
from midnight.postgres_to_bronze.source_connection import connect
from midnight.postgres_to_bronze.source_errors import source_error

ADDRESS = SourceAddress("h", "d", "reader", connection_id="midnight_source", options={"sslmode": "require"})


def from_server(kind: type[asyncpg.PostgresError], text: str) -> asyncpg.PostgresError:
    error = kind(text)
    error.severity = "ERROR"
    return error


@pytest.mark.parametrize(
    ("error", "table", "expected"),
    [
        (
            from_server(asyncpg.ClientCannotConnectError, "could not connect\nDETAIL:  x"),
            "public.p",
            "refused while public.p was read: could not connect DETAIL: x; hint: a foreign table that is a partition",
        ),
        (
            asyncpg.ConnectionDoesNotExistError("closed"),
            "public.p",
            "h:5432/d was lost while public.p was read: closed",
        ),
        (
            asyncpg.OutOfMemoryError("out of shared memory"),
            "",
            "refused: out of shared memory; hint: raise max_locks_per_tran",
        ),
        (
            TimeoutError(),
            "",
            "cannot be reached: no answer came in time; hint: check that host and port in the",
        ),
        (
            ConnectionError("rejected SSL upgrade"),
            "",
            "does not offer TLS, which sslmode=require requires; hint: set ssl",
        ),
    ],
)
def test_the_hint_matches_the_error(error, table, expected):
    found = source_error(error, ADDRESS, table)
    assert isinstance(found, SourceError)
    assert expected in str(found)
    assert "\n" not in str(found)


@pytest.mark.parametrize(
    ("error", "waiting_helps"),
    [
        (asyncpg.InvalidPasswordError("password authentication failed"), False),
        (asyncpg.InvalidAuthorizationSpecificationError("no pg_hba.conf entry"), False),
        (asyncpg.InvalidCatalogNameError("database does not exist"), False),
        (asyncpg.InsufficientPrivilegeError("permission denied"), False),
        (ConnectionError("rejected SSL upgrade"), False),
        (ConnectionRefusedError(111, "Connect call failed"), True),
        (TimeoutError(), True),
        (asyncpg.TooManyConnectionsError("too many clients"), True),
        (asyncpg.CannotConnectNowError("the database system is starting up"), True),
    ],
)
def test_what_only_a_person_can_correct_is_not_retried(error, waiting_helps):
    found = source_error(error, ADDRESS)
    assert found.retryable is waiting_helps
    assert isinstance(found, SourceAccessError) is not waiting_helps


@pytest.mark.parametrize(
    ("table", "what"), [("public.p", "public.p of h:5432/d holds a text that"), ("", "a name or a")]
)
def test_a_text_of_an_unchecked_encoding(table, what):
    found = source_error(asyncpg.CharacterNotInRepertoireError("invalid byte sequence: 0xfc"), ADDRESS, table)
    assert isinstance(found, ValueNotRepresentableError)
    assert what in str(found)
    assert "bronze_type:" not in str(found)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"sslmode": "verify-full"}, "sslmode=verify-full needs the authority that signed .* or sslrootcert=system"),
        ({"sslmode": "verify-ca", "sslrootcert": "/nowhere.pem"}, r"correct \['sslrootcert'\]"),
        ({"sslmode": "require", "sslcrl": "/nowhere.pem"}, r"correct \['sslcrl'\]"),
    ],
)
def test_invalid_tls_settings_are_reported_before_anything_is_sent(options, expected, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(SourceError, match=expected):
        asyncio.run(connect(SourceAddress("127.0.0.1", "d", "u", port=1, options=options)))
