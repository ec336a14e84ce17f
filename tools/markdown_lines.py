"""Wraps the Markdown of generated pages: paragraphs and entries of lists in lines of at most 100 columns."""

from __future__ import annotations

import re

COLUMNS = 100
# Code spans stay on one line where they fit: they are easier to search, and no line begins with a list marker.
_WORD = re.compile(r"(?:[^\s`]|`[^`]*`)+")
_LIST_MARKERS = frozenset("-+*|>#=")


def paragraph(text: str) -> str:
    """Return one paragraph, wrapped, with a line end."""
    return "\n".join(_wrap(text, "", "")) + "\n"


def list_item(text: str, depth: int = 0) -> str:
    """Return one entry of a list, wrapped, with a line end.

    Args:
        text: Markdown of one paragraph; a line break in it is kept.
        depth: 0 for an entry of the outermost list.
    """
    indent = "    " * depth
    lines: list[str] = []
    for number, part in enumerate(text.splitlines()):
        lines += _wrap(part, indent + ("  " if number else "- "), f"{indent}  ")
    return "\n".join(lines) + "\n"


def _wrap(text: str, first: str, following: str) -> list[str]:
    lines, current = [], first
    for word in _words(text, COLUMNS - len(following)):
        fits = len(current) + 1 + len(word) <= COLUMNS - 2  # a list marker may follow
        if current in (first, following):
            current += word
        elif fits or word in _LIST_MARKERS:
            current += f" {word}"
        else:
            lines.append(current)
            current = following + word
    return [*lines, current]


def _words(text: str, width: int) -> list[str]:
    """The words of a text; a code span is one word unless it is longer than a line."""
    return [part for word in _WORD.findall(text) for part in ([word] if len(word) <= width else word.split(" "))]
