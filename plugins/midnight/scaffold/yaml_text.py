"""Readable YAML: block style with comments. PyYAML writes the scalars, so that every text survives."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import yaml

_WIDTH = 116
# YAML 1.2, which editors read, has numbers that PyYAML takes for texts and would not quote: 1e3, 0o17.
_NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|0o[0-7]+|0x[0-9a-fA-F]+")


def scalar(value: Any) -> str:
    """One value on one line, which ``yaml.safe_load`` reads back unchanged.

    Args:
        value: text, number, boolean or None.
    """
    text = yaml.safe_dump(value, default_style=_style(value), allow_unicode=True, width=10**9)
    return text.removesuffix("\n").removesuffix("\n...")


def flow_list(values: Iterable[Any]) -> str:
    """A list on one line; texts with commas or brackets are quoted."""
    items = [
        yaml.safe_dump([v], default_flow_style=True, default_style=_style(v), allow_unicode=True, width=10**9)
        for v in values
    ]
    return "[" + ", ".join(item.strip().removeprefix("[").removesuffix("]") for item in items) + "]"


def _style(value: Any) -> str | None:
    """Double quotes for a text with a line break, which every other style would fold; single ones for a number."""
    if not isinstance(value, str):
        return None
    if set(value) & set("\n\r\x85\u2028\u2029"):
        return '"'
    return "'" if _NUMBER.fullmatch(value) else None


def comment(text: str, indent: int = 0) -> list[str]:
    """Lines of a comment, broken at 116 characters; control characters and line breaks become spaces."""
    prefix = " " * indent + "# "
    lines, line = [], ""
    for word in "".join(c if c.isprintable() else " " for c in text).split():
        if line and len(prefix) + len(line) + 1 + len(word) > _WIDTH:
            lines.append(prefix + line)
            line = ""
        line = f"{line} {word}" if line else word
    return [*lines, prefix + line] if line else lines


def fields(pairs: Sequence[tuple[str, Any]], indent: int = 0, *, item: bool = False) -> list[str]:
    """Lines ``name: value`` of one mapping; a list or tuple is written on one line.

    Args:
        pairs: names and values, in order; a pair whose value is None is left out.
        indent: spaces before each line.
        item: the mapping is an item of a list, so its first line starts with a dash.
    """
    lines: list[str] = []
    for name, value in pairs:
        if value is None:
            continue
        text = flow_list(value) if isinstance(value, (list, tuple)) else scalar(value)
        dash = "- " if item and not lines else ("  " if item else "")
        lines.append(f"{' ' * indent}{dash}{name}: {text}")
    return lines
