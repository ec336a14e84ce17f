"""The search for leaked secrets finds them in every common encoding."""

from __future__ import annotations

import base64
import gzip
import html
import json
import secrets
import sqlite3
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.canaries import Leak, find_leaks, find_leaks_in, plant

CANARIES = plant()
ENCODINGS = {
    "plain": lambda v: v,
    "percent-encoded": lambda v: quote(v, safe=""),
    "as in a form": quote_plus,
    "JSON": json.dumps,
    "JSON in JSON": lambda v: json.dumps(json.dumps({"password": v})),
    "repr": lambda v: repr({"password": v}),
    "XML": html.escape,
    "SQL": lambda v: "'" + v.replace("'", "''") + "'",
    "braces of ODBC": lambda v: "PWD={" + v.replace("}", "}}") + "};",
    "URL": lambda v: f"postgres://reader:{quote(v, safe='')}@db:5432/shop",
    "basic authentication": lambda v: "Basic " + base64.b64encode(f"reader:{v}".encode()).decode(),
    "base64 for URLs": lambda v: base64.urlsafe_b64encode(b"ab" + v.encode()).decode(),
    "large letters": lambda v: v.upper(),
    "hexadecimal": lambda v: v.encode().hex(),
}


@pytest.mark.parametrize("secret", CANARIES)
@pytest.mark.parametrize("form", ENCODINGS)
def test_a_leak_is_found(tmp_path: Path, secret: str, form: str):
    text = f"2026-01-02 error: {ENCODINGS[form](CANARIES[secret])} and more"
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "task.log").write_text(text)
    found = find_leaks([tmp_path], CANARIES)
    assert {leak.secret for leak in found} == {secret}
    assert all(CANARIES[secret] not in str(leak) for leak in found)


def test_no_leak_is_found_where_there_is_none(tmp_path: Path):
    (tmp_path / "log").write_text(f"{json.dumps(plant())} ***\n" * 100)
    (tmp_path / "random").write_bytes(secrets.token_bytes(1 << 20))
    (tmp_path / "base64").write_bytes(base64.b64encode(secrets.token_bytes(1 << 20)))
    assert find_leaks([tmp_path], CANARIES) == []


@given(before=st.binary(max_size=7), after=st.binary(max_size=7))
def test_base64_wherever_the_secret_begins(before: bytes, after: bytes):
    secret = "cnry0123456789abcdef"
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        text = encode(before + secret.encode() + after)
        assert {leak.form for leak in find_leaks_in({"x": text}, {"a": secret})} == {"base64"}


def test_encoded_files(tmp_path: Path):
    """Compressed, split over several SQLite pages, and UTF-16."""
    secret = CANARIES["source_password"]
    (tmp_path / "log.gz").write_bytes(gzip.compress(f"x {secret}".encode()))
    (tmp_path / "wide").write_bytes(f"x {secret}".encode("utf-16-le"))
    with sqlite3.connect(tmp_path / "airflow.db") as database:
        database.execute("PRAGMA page_size = 512")
        database.execute("CREATE TABLE xcom (value TEXT)")
        for padding in range(400, 560, 8):
            database.execute("INSERT INTO xcom VALUES (?)", ("x" * padding + secret,))
    database.close()
    found = find_leaks([tmp_path], CANARIES)
    assert {Path(leak.where).name for leak in found} == {"log.gz", "wide", "airflow.db"}
    pieces = [leak for leak in found if leak.where.endswith(".db") and leak.before.endswith("xxx")]
    assert len(pieces) >= 20


def test_files_that_contain_secrets_by_design(tmp_path: Path):
    (tmp_path / "connections.yaml").write_text(CANARIES["source_password"])
    assert find_leaks([tmp_path], CANARIES, ignore={"connections.yaml"}) == []
    assert find_leaks([tmp_path / "connections.yaml"], CANARIES) != []


def test_a_secret_that_cannot_be_recognised_is_refused():
    with pytest.raises(ValueError, match="canary 'pin' has no 12 letters and digits"):
        find_leaks_in({}, {"pin": "1-2-3-4-5-6-7-8"})


def test_the_fields_of_a_leak():
    assert find_leaks_in({"stdout": "password=cnryabcdefghij"}, {"source": "cnryabcdefghij"}) == [
        Leak("source", "plain", "stdout", "password=")
    ]
