"""Patterns of checks are rewritten where Java and Rust differ."""

from __future__ import annotations

import pytest

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
