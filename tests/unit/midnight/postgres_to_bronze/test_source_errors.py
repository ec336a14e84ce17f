"""What a driver's error becomes: one sentence with the cure that fits."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from midnight.errors import SourceError, ValueNotRepresentableError
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
            "refused while public.p was read: could not connect DETAIL: x; a foreign table that is a part of it",
        ),
        (asyncpg.ConnectionDoesNotExistError("closed"), "public.p", "went away while public.p was read: closed"),
        (
            asyncpg.OutOfMemoryError("out of shared memory"),
            "",
            "refused: out of shared memory; raise max_locks_per_tran",
        ),
        (TimeoutError(), "", "cannot be reached: no answer came in time; check that host and port in the connection"),
        (ConnectionError("rejected SSL upgrade"), "", "offers no TLS, which sslmode=require asks for; set ssl = on"),
    ],
)
def test_the_cure_fits(error, table, expected):
    sentence = source_error(error, ADDRESS, table)
    assert isinstance(sentence, SourceError)
    assert expected in str(sentence)
    assert "\n" not in str(sentence)


@pytest.mark.parametrize(
    ("table", "what"), [("public.p", "public.p of h:5432/d holds a text that"), ("", "a name or a")]
)
def test_a_text_of_an_unchecked_encoding(table, what):
    sentence = source_error(asyncpg.CharacterNotInRepertoireError("invalid byte sequence: 0xfc"), ADDRESS, table)
    assert isinstance(sentence, ValueNotRepresentableError)
    assert what in str(sentence)
    assert "bronze_type:" not in str(sentence)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"sslmode": "verify-full"}, "sslmode=verify-full needs to know who signed .* or sslrootcert=system"),
        ({"sslmode": "verify-ca", "sslrootcert": "/nowhere.pem"}, r"correct \['sslrootcert'\]"),
        ({"sslmode": "require", "sslcrl": "/nowhere.pem"}, r"correct \['sslcrl'\]"),
    ],
)
def test_tls_settings_that_cannot_work_are_told_before_anything_is_sent(options, expected, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(SourceError, match=expected):
        asyncio.run(connect(SourceAddress("127.0.0.1", "d", "u", port=1, options=options)))
