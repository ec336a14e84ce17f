"""URLs of PostgreSQL databases, and what is said about wrong ones."""

from __future__ import annotations

import getpass
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midnight.errors import SourceError
from midnight.scaffold.source_url import SourceUrl, parse_source_url

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
        ("postgresql://u:p:ss@h/shop", ("h", 5432, "u", "p:ss", "shop")),
        ("postgresql://u@h/shop?password=p%26%3D%20ss", ("h", 5432, "u", "p&= ss", "shop")),
        ("POSTGRES://u@h?dbname=shop&sslrootcert=/ca%40home.pem", ("h", 5432, "u", None, "shop")),
        ("postgresql://u:p@[2001:db8::1]:5433/shop", ("2001:db8::1", 5433, "u", "p", "shop")),
        ("postgresql:///shop?host=/var/run/postgresql&user=u", ("/var/run/postgresql", 5432, "u", None, "shop")),
        ("postgresql://%2FVar%2Frun/shop", ("/Var/run", 5432, getpass.getuser(), None, "shop")),
        ("postgresql://u:p@h/caf%C3%A9%20shop", ("h", 5432, "u", "p", "café shop")),
        ("postgresql://h/?dbname=shop&user=u&password=p&port=7", ("h", 7, "u", "p", "shop")),
    ],
)
def test_forms_that_libpq_knows(text, expected):
    assert expected == parts(text)


def test_tls_parameters_stay_and_harmless_ones_go():
    url = parse_source_url("postgresql://h/d?sslmode=verify-full&sslrootcert=/ca.pem&channel_binding=require")
    assert url.parameters == {"sslmode": "verify-full", "sslrootcert": "/ca.pem"}


MALFORMED = [
    "mysql://u:s3cr3t@h/d",
    "u:s3cr3t@h/d",
    "postgresql:/u:s3cr3t@h/d",
    "host=h dbname=d password=s3cr3t",
    "postgresql://u:s3cr3t@h",
    "postgresql://u:s3cr3t@h/",
    "postgresql://u:s3cr3t#x@h/d",
    "postgresql://u:s3cr3t/x@h/d",
    "postgresql://u:x/s3cr3t@h/d",
    "postgresql://u:s3cr3t/x",
    "postgresql://u:s3cr3t?x@h/d",
    "postgresql://u:x@s3cr3t@h/d",
    "postgresql://u:s3cr3t%x@h/d",
    "postgresql://u:s3cr3t%00@h/d",
    "postgresql://u:s3cr3t%ff@h/d",
    "postgresql://u:s3cr3t x@h/d",
    "postgresql://u:s3cr3t@h:99999/d",
    "postgresql://u:1@h:s3cr3t/d",
    "postgresql://u:s3cr3t@[::1/d",
    "postgresql://u:s3cr3t@h1,h2/d",
    "postgresql://u:s3cr3t@h/d?sslmode=always",
    "postgresql://u@h/d?sslmode=s3cr3t",
    "postgresql://u:s3cr3t@h/d?what=1",
    "postgresql://u@h/d?password=x&s3cr3t",
    "postgresql://u@h/d?password=x&s3cr3t=1",
    "postgresql://u@h/d?s3cr3t",
    "postgresql://u:s3cr3t@h/d?options=-cx",
    "postgresql://u:s3cr3t@h/d?port=x",
    "postgresql://h?user=u&password=x@s3cr3t",
    "postgresql://u:12/s3cr3t?user=@h/d",
]


@pytest.mark.parametrize("text", ["", " ", *MALFORMED])
def test_a_malformed_url_is_refused_without_its_password(text):
    with pytest.raises(SourceError, match="hint: ") as caught:
        parse_source_url(text)
    assert (SECRET in str(caught.value), caught.value.__cause__) == (False, None)
    assert caught.value.__context__ is None or caught.value.__suppress_context__


TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1)


@given(user=TEXTS, password=TEXTS, database=TEXTS)
def test_percent_encoded_parts_survive(user, password, database):
    text = f"postgresql://{quote(user, safe='')}:{quote(password, safe='')}@h:1/{quote(database, safe='')}"
    assert ("h", 1, user, password, database) == parts(text)


LETTERS = st.text(st.sampled_from("ab1@:/?#%&= '\\\"[],;+\\t"), max_size=12)


@given(before=LETTERS, after=LETTERS)
def test_a_password_with_unencoded_characters_is_read_in_full_or_not_at_all(before, after):
    """Neither a message nor what later messages show (host, port, user, database) holds a piece of it."""
    try:
        url = parse_source_url(f"postgresql://user:{before}{SECRET}{after}@host/d")
    except SourceError as refused:
        shown, is_read = str(refused), True
    else:
        shown, is_read = str(url), SECRET in str(url.password)
    assert (SECRET in shown, is_read) == (False, True)


def test_nothing_that_people_see_holds_the_password():
    url = SourceUrl(host="::1", port=1, user="u", password=SECRET, database="d")
    assert (str(url), SECRET in repr(url)) == ("u@[::1]:1/d", False)
