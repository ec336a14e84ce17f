"""URLs of PostgreSQL databases, and the messages about invalid ones."""

from __future__ import annotations

import getpass
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midnight.scaffold.source_url import SourceUrl, SourceUrlError, parse_source_url

SECRET = "s3cr3t"


def parts(text: str) -> tuple[str, int, str | None, str | None, str]:
    url = parse_source_url(text)
    return (url.host, url.port, url.user, url.password, url.database)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("postgresql://u:p@db.example:6432/shop", ("db.example", 6432, "u", "p", "shop")),
        ("postgres://u@h/shop", ("h", 5432, "u", None, "shop")),
        ("postgresql://u:p%40%2F%23%25@h/shop", ("h", 5432, "u", "p@/#%", "shop")),
        ("postgresql://u:p@ss@h/shop", ("h", 5432, "u", "p@ss", "shop")),
        ("postgresql://u:p@[2001:db8::1]:5433/shop", ("2001:db8::1", 5433, "u", "p", "shop")),
        ("postgresql:///shop?host=/var/run/postgresql&user=u", ("/var/run/postgresql", 5432, "u", None, "shop")),
        ("postgresql://%2FVar%2Frun/shop", ("/Var/run", 5432, getpass.getuser(), None, "shop")),
        ("postgresql://u:p@h/caf%C3%A9%20shop", ("h", 5432, "u", "p", "café shop")),
        ("postgresql://h/?dbname=shop&user=u&password=p&port=7", ("h", 7, "u", "p", "shop")),
    ],
)
def test_forms_of_libpq(text, expected):
    assert expected == parts(text)


def test_tls_parameters_are_kept_and_harmless_ones_ignored():
    url = parse_source_url("postgresql://h/d?sslmode=verify-full&sslrootcert=/ca.pem&channel_binding=require")
    assert url.parameters == {"sslmode": "verify-full", "sslrootcert": "/ca.pem"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "mysql://u:s3cr3t@h/d",
        "u:s3cr3t@h/d",
        "postgresql://u:s3cr3t@h",
        "postgresql://u:s3cr3t@h/",
        "postgresql://u:s3cr3t#x@h/d",
        "postgresql://u:s3cr3t/x@h/d",
        "postgresql://u:s3cr3t?x@h/d",
        "postgresql://u:s3cr3t@h:99999/d",
        "postgresql://u:s3cr3t@[::1/d",
        "postgresql://u:s3cr3t@h1,h2/d",
        "postgresql://u:s3cr3t@h/d?sslmode=always",
        "postgresql://u:s3cr3t@h/d?what=1",
        "postgresql://u:s3cr3t@h/d?port=x",
    ],
)
def test_an_invalid_url_is_refused_without_showing_its_password(text):
    with pytest.raises(SourceUrlError) as caught:
        parse_source_url(text)
    assert (SECRET in str(caught.value), caught.value.__cause__) == (False, None)


TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1)


@given(user=TEXTS, password=TEXTS, database=TEXTS)
def test_percent_encoded_parts_survive(user, password, database):
    text = f"postgresql://{quote(user, safe='')}:{quote(password, safe='')}@h:1/{quote(database, safe='')}"
    assert ("h", 1, user, password, database) == parts(text)


def test_text_forms_never_show_the_password():
    url = SourceUrl(host="::1", port=1, user="u", password=SECRET, database="d")
    assert (str(url), SECRET in repr(url)) == ("u@[::1]:1/d", False)
