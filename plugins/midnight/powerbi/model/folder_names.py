"""Names of files and folders for titles in any alphabet."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

LONGEST = 50  # characters of a page's or visual's name ("Power BI Desktop project report folder", Microsoft)
QUESTION = "question"  # the visual that shows a page's question
# Windows refuses these as names of files ("Naming Files, Paths, and Namespaces", Microsoft).
_RESERVED = {"con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(10))}
_NOT_IN_FILE_NAMES = re.compile(r'[\x00-\x1f<>:"/\\|?*]')


def folder_names(titles: Sequence[str]) -> list[str]:
    """A folder name for each of the titles that stand next to each other.

    A title in ASCII letters is readable in its name. Where letters are lost, or where two titles would get the same
    name, a hash of the title keeps the names apart. The order of the titles does not matter.

    Args:
        titles: titles that differ by ``title_key``; they may differ in case alone.

    Returns:
        Names of ``a-z``, ``0-9`` and ``_``, in the order of the titles; they differ on every file system.
    """
    slugs = [re.sub(r"[^a-z0-9]+", "_", title_key(title).lower()).strip("_") for title in titles]
    count = Counter(slugs)
    return [
        slug if slug and count[slug] == 1 and _is_faithful(title, slug) else _hashed(title, slug)
        for title, slug in zip(titles, slugs, strict=True)
    ]


def file_name(name: str) -> str:
    """A file name for a table: its own name where Windows, Linux and macOS all take that, otherwise with a hash."""
    safe = _NOT_IN_FILE_NAMES.sub("_", name)
    if safe == name and name == name.strip(". ") and name.casefold() not in _RESERVED and len(name) <= LONGEST:
        return name
    return f"{safe.strip('. ')[:LONGEST]}_{_hash(name)}"


def title_key(title: str) -> str:
    """Equal for titles that read the same: an accent may be a character of its own or part of its letter."""
    return unicodedata.normalize("NFC", title).strip()


def _is_faithful(title: str, slug: str) -> bool:
    return title.isascii() and len(slug) <= LONGEST and slug not in _RESERVED | {QUESTION}


def _hashed(title: str, slug: str) -> str:
    return f"{slug[: LONGEST - 9]}_{_hash(title)}".lstrip("_")


def _hash(title: str) -> str:
    return hashlib.sha256(title_key(title).encode()).hexdigest()[:8]
