"""The README is short; its links and commands, and those of the pages, exist."""

import re

import pytest

from midnight.settings import REPOSITORY

PAGES = [*sorted(REPOSITORY.glob("*.md")), *sorted((REPOSITORY / "docs").rglob("*.md"))]


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z][a-z-]*):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_relative_link_exists(page):
    links = re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_make_command_exists(page):
    commands = set(re.findall(r"(?:^|`)make ([a-z][a-z-]*)\b", page.read_text(), re.MULTILINE))
    assert commands - make_targets() == set()


def test_continuous_integration_runs_the_test_command_of_the_readme():
    (two_commands,) = re.findall(r"## Two commands.*?```\n(.*?)```", (REPOSITORY / "README.md").read_text(), re.DOTALL)
    assert two_commands.splitlines() == ["make up", "make test"]
    assert "make test" in (REPOSITORY / ".ci" / "run").read_text().splitlines()


def test_the_readme_stays_short():
    assert len((REPOSITORY / "README.md").read_text().splitlines()) <= 100
