"""Patterns of checks are rewritten where Java and Rust differ; links are addresses that a browser can open."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from midnight.configuration.checks import NotNull
from spark_jobs.transforms.patterns import portable


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (r"N[0-9A-Z]{1,5}", r"N[0-9A-Z]{1,5}"),
        (r"\d+\.\d", r"[0-9]+\.[0-9]"),
        (r"[\w.-]+@\W", r"[0-9A-Za-z_.-]+@[^0-9A-Za-z_]"),
        (r"a.c", r"a[^\n]c"),
        (r"[]\d]|[^].]", r"[]0-9]|[^].]"),
        (r"\\d", r"\\d"),
        (r"\s", r"[ \t\n\x0B\f\r]"),
    ],
)
def test_character_classes_are_written_out(written, expected):
    assert portable(written) == expected


def test_a_negated_class_inside_brackets_is_refused():
    with pytest.raises(ValueError, match="inside brackets"):
        portable(r"[\D]")


@pytest.mark.parametrize(
    ("link", "valid"),
    [
        ("", True),
        ("https://wiki.example.com/airports?x=1#lon", True),
        ("https://wiki", True),
        ("https://wiki:8443/a", True),
        ("http://wiki.example.com", False),
        ("wiki.example.com", False),
        ("javascript:alert(1)", False),
        ("https://user:secret@wiki.example.com", False),
        ('https://wiki.example.com/"><script>', False),
        ("https://", False),
    ],
)
def test_a_link_is_an_https_address_without_a_password(link, valid):
    check = {"rule": "not_null", "columns": ["a"], "link": link}
    if valid:
        assert NotNull.model_validate(check).link == link
        return
    with pytest.raises(ValidationError, match="hint: write an address like https://") as caught:
        NotNull.model_validate(check)
    assert "secret" not in caught.value.errors()[0]["msg"]
