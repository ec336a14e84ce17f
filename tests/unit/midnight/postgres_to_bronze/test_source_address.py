"""Addresses of the source: no message holds a password, in whatever form it comes."""

from __future__ import annotations

from urllib.parse import quote

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.conninfo import make_conninfo

from midnight.errors import SourceError
from midnight.postgres_to_bronze.source_address import SourceAddress
from midnight.postgres_to_bronze.source_errors import source_error

# They need percent-encoding in a URI, quotes in a keyword/value string, or a backslash in Python's repr.
AWKWARD = ["p@ss/w?rd", "100%", "it's", "back\\slash", 'dou"ble', "two words", "a+b&c=d", "grün", "'\"\\"]


@pytest.mark.parametrize("password", AWKWARD)
def test_a_password_that_needs_quoting_is_read_and_never_shown(password):
    uri = f"postgresql://reader:{quote(password, safe='')}@db:5433/shop?sslmode=require&application_name=x"
    address = SourceAddress.from_uri(uri, "midnight_source")
    assert address == SourceAddress(
        "db", "shop", "reader", 5433, password, {"sslmode": "require"}, connection_id="midnight_source"
    )
    assert password not in repr(address)
    conninfo = make_conninfo(host="db", password=password)
    for told in (password, uri, conninfo, repr(password), quote(password)):
        text = str(source_error(asyncpg.InterfaceError(f"no connection to {told}, refused"), address))
        assert not [form for form in (password, quote(password, safe=""), quote(password)) if form in text]
        assert "***" in text


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1))
def test_any_encoded_password_is_read(password):
    assert SourceAddress.from_uri(f"postgresql://u:{quote(password, safe='')}@h/d").password == password


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("mysql://u:s3cr3t@h/d", "does not start with postgresql://"),
        ("host=h password='s3cr3t x'", "does not start with postgresql://"),
        ("postgresql://u:s3cr3t@", "has no host and no dbname"),
        ("postgresql://u:s3cr3t@h", "has no dbname"),
        ("postgresql://u:s3cr3t/x@h/d", "cannot be split into login, host and database"),
        ("postgresql://u:p@s3cr3t@h/d", "cannot be split into login, host and database"),
        ("postgresql://u:s3cr3t%zz@h/d", "cannot be split into login, host, port"),
        ("postgresql://u:s3cr3t@[h/d", "cannot be split into login, host, port"),
        ("postgresql://u:s3cr3t@h:0/d", "is not a number from 1 to 65535"),
        ("postgresql://u:s3cr3t@h,i/d", "names several hosts"),
    ],
)
def test_a_malformed_uri_is_refused_without_any_part_of_it(uri, expected):
    with pytest.raises(SourceError, match=expected) as caught:
        SourceAddress.from_uri(uri)
    assert "s3cr3t" not in str(caught.value)
    assert caught.value.__cause__ is None
