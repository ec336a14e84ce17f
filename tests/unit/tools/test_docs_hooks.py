"""Links of a page that leave docs/, on the site."""

from __future__ import annotations

import logging

import pytest

from tools.docs_hooks import on_config, outside_links

ADDRESS = "https://forge.example/midnight/blob/v0.1.0"


@pytest.mark.parametrize(
    ("page", "markdown", "expected"),
    [
        ("bronze.md", "see [`infra`](../infra).", f"see [`infra`]({ADDRESS}/infra)."),
        ("adr/0001-x.md", "[l](../../CHANGELOG.md#unreleased)", f"[l]({ADDRESS}/CHANGELOG.md#unreleased)"),
        ("index.md", "[two\nlines](../README.md)", f"[two\nlines]({ADDRESS}/README.md)"),
        ("bronze.md", "[a](silver.md#x) [b](#y) [c](https://x.example/../z)", None),
        ("adr/0001-x.md", "[a](../bronze.md)", None),
    ],
)
def test_only_links_that_leave_the_pages_change(page, markdown, expected):
    assert outside_links(markdown, page, ADDRESS) == (markdown if expected is None else expected)


def test_a_bracket_that_is_not_a_link_costs_no_time():
    markdown = "a range `[1,6)`, " + "`code` and " * 1000 + "[x](../infra)"
    assert outside_links(markdown, "bronze.md", ADDRESS).endswith(f"[x]({ADDRESS}/infra)")


def test_without_an_address_the_text_stays():
    assert outside_links("see [`infra`](../infra).", "bronze.md", "") == "see `infra`."


def test_a_file_that_does_not_exist_is_a_warning(caplog):
    with caplog.at_level(logging.WARNING):
        outside_links("[x](../no-such-file)", "bronze.md", ADDRESS)
    assert "no-such-file" in caplog.text


def test_a_star_in_the_navigation_stands_for_its_pages():
    config = on_config({"nav": ["index.md", {"Why": ["gold.md", {"Decisions": ["adr/*.md"]}]}]})
    assert config["nav"][0] == "index.md"
    gold, decisions = config["nav"][1]["Why"]
    assert gold == "gold.md"
    assert decisions["Decisions"][0] == "adr/0001-build-gold-into-immutable-folders.md"
    assert len(decisions["Decisions"]) > 10
