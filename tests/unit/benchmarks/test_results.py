"""Figures in pages: between two markers, and nothing else changes."""

from __future__ import annotations

import re

import pytest

from benchmarks.results import markdown_table, write_figures
from midnight.settings import REPOSITORY

PAGE = """before
<!-- figures: a -->

old

<!-- end of figures -->
between
<!-- figures: b -->

<!-- end of figures -->
"""


def test_the_figures_between_the_markers_are_replaced(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    write_figures(page, "a", markdown_table(["run", "silver"], [["first", "1.0 s"]]))
    write_figures(page, "b", "new")
    table = "| run | silver |\n| --- | --: |\n| first | 1.0 s |"
    expected = PAGE.replace("old", table).replace("b -->\n\n<!--", "b -->\n\nnew\n\n<!--")
    assert page.read_text() == expected


def test_a_page_without_the_markers_is_refused(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    with pytest.raises(ValueError, match=r"no figures 'c'; hint: add the lines '<!-- figures: c -->'"):
        write_figures(page, "c", "new")
    assert page.read_text() == PAGE


def test_the_page_has_the_figures_that_the_commands_in_it_write():
    text = (REPOSITORY / "docs" / "performance.md").read_text(encoding="utf-8")
    commands = re.findall(r"^`python -m benchmarks (\w+).*--write docs/performance.md`$", text, re.MULTILINE)
    assert commands == re.findall(r"<!-- figures: (\w+) ", text)
