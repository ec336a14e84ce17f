"""Release notes: the section of one version in CHANGELOG.md (docs/release.md).

    python tools/release_notes.py v0.1.0

Standard library only, so that the release workflow can fail before anything is installed.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]


class ReleaseError(Exception):
    """The tag, pyproject.toml and CHANGELOG.md contradict each other."""


def changelog_section(changelog: str, version: str) -> str:
    """The text below the heading ``## <version> - <date>``, up to the next version.

    Raises:
        ReleaseError: the heading is missing, or its section is empty.
    """
    heading = re.compile(rf"^## {re.escape(version)} - \d{{4}}-\d{{2}}-\d{{2}}$", re.MULTILINE)
    match = heading.search(changelog)
    if match is None:
        raise ReleaseError(f"CHANGELOG.md has no heading '## {version} - YYYY-MM-DD'; hint: rename '## Unreleased'")
    section = re.split(r"^## ", changelog[match.end() :], maxsplit=1, flags=re.MULTILINE)[0].strip()
    if not section:
        raise ReleaseError(f"the section {version!r} of CHANGELOG.md is empty; hint: write what changed for users")
    return section


def release_notes(tag: str, repository: Path = REPOSITORY) -> str:
    """Notes of the release of a tag.

    Args:
        tag: ``v`` and the version of pyproject.toml.
        repository: folder with pyproject.toml and CHANGELOG.md.

    Raises:
        ReleaseError: tag and version differ, or the changelog has no section for the version.
    """
    project = tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    if tag != f"v{project['version']}":
        raise ReleaseError(
            f"the tag {tag!r} is not the version of pyproject.toml; hint: tag v{project['version']}, "
            "or change the version first"
        )
    return changelog_section((repository / "CHANGELOG.md").read_text(encoding="utf-8"), project["version"])


def main(arguments: list[str]) -> int:
    """Print the notes; return 2 for a wrong command line, 1 for a ReleaseError."""
    if len(arguments) != 1:
        print("usage: python tools/release_notes.py <tag>", file=sys.stderr)
        return 2
    try:
        print(release_notes(arguments[0]))
    except ReleaseError as error:
        print(f"✗ {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
