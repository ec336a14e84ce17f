"""Wrapping the entries of generated Markdown lists."""

from __future__ import annotations

from tools.markdown_lines import COLUMNS, list_item

SPANS = "; ".join(f"`span {number} of code`" for number in range(12))


def test_a_code_span_stays_on_one_line():
    lines = list_item(f"name: {SPANS}", depth=1).splitlines()
    assert len(lines) > 1
    assert all(len(line) <= COLUMNS and line.count("`") % 2 == 0 for line in lines)
    assert lines[0].startswith("    - name: ")
    assert all(line.startswith("      `") for line in lines[1:])
    assert " ".join(line.strip() for line in lines) == f"- name: {SPANS}"


def test_a_long_code_span_is_split_but_no_line_begins_with_a_list_marker():
    lines = list_item("`" + " + ".join(f"a{number}" for number in range(100)) + "`").splitlines()
    assert all(len(line) <= COLUMNS for line in lines)
    assert not [line for line in lines[1:] if line.strip().startswith("+")]


def test_a_line_break_is_kept():
    assert list_item("one\ntwo") == "- one\n  two\n"
