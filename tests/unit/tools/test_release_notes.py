"""The notes of a release: the tag, the version and the changelog have to agree."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.release_notes import ReleaseError, changelog_section, main, release_notes

CHANGELOG = """# Changelog

## Unreleased

## 0.2.0 - 2026-12-01

### Added
- Something new.

## 0.1.0 - 2026-11-01

- The first.
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "0.2.0"\n')
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG)
    return tmp_path


def test_the_section_of_the_tagged_version(repository):
    assert release_notes("v0.2.0", repository) == "### Added\n- Something new."


@pytest.mark.parametrize("tag", ["v0.1.0", "0.2.0", "v0.2.0-rc1"])
def test_a_tag_that_is_not_the_version_is_refused(repository, tag):
    with pytest.raises(ReleaseError, match=r"tag v0\.2\.0"):
        release_notes(tag, repository)


def test_the_last_section_ends_with_the_file():
    assert changelog_section(CHANGELOG, "0.1.0") == "- The first."


@pytest.mark.parametrize("heading", ["## Unreleased", "## 0.3.0", "## 0x3.0 - 2026-12-01"])
def test_a_version_without_its_own_dated_heading_is_refused(heading):
    with pytest.raises(ReleaseError, match="no heading"):
        changelog_section(f"{heading}\n\n- Something.\n", "0.3.0")


def test_an_empty_section_is_refused():
    with pytest.raises(ReleaseError, match="empty"):
        changelog_section("## 0.3.0 - 2026-12-01\n\n## 0.2.0 - 2026-11-01\n\n- Old.\n", "0.3.0")


def test_the_command_ends_with_an_error(capsys):
    assert main(["v999.0.0"]) == 1
    assert "pyproject.toml" in capsys.readouterr().err
    assert main([]) == 2
