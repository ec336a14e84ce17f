"""Names of tables, columns and folders in the lake, derived from the identifiers of PostgreSQL.

PostgreSQL allows any character in an identifier; Parquet written by Data Factory, Delta without column mapping, and
URLs of object stores do not. A column or table therefore gets one safe name in bronze, which all later stages use.
"""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple, Protocol
from urllib.parse import unquote

from midnight.sql_text import quote_if_needed

RESERVED_PREFIX = "_midnight"
LONGEST_FOLDER_NAME = 120
SHORTENED = "--"
_MAX_LISTED_NAMES = 20
_UNSAFE = re.compile(r"[^\w]", re.UNICODE)
_FOLDER_ESCAPE = re.compile(r"-([0-9a-f]{2})")
_CAPITALS = "-u"  # "u" is not a hexadecimal digit: no escape looks like it
_CAPITALS_ENDING = re.compile(r"-u[0-9a-f]+$")
# Windows reserves these with any extension ("Naming Files, Paths, and Namespaces", learn.microsoft.com).
_WINDOWS_DEVICES = re.compile(r"con|prn|aux|nul|(com|lpt)[0-9]")


class SourceTable(Protocol):
    """Anything that identifies a table of the source: its configuration, a manifest, a ``TableName``."""

    @property
    def schema_name(self) -> str: ...

    @property
    def table(self) -> str: ...


class TableName(NamedTuple):
    """A table of the source by its names in PostgreSQL."""

    schema_name: str
    table: str


def qualified_name(schema: str, table: str) -> str:
    """The name shown to people: ``public.flights``; parts that need quotes in SQL are shown with them."""
    return f"{quote_if_needed(schema)}.{quote_if_needed(table)}"


@lru_cache(maxsize=16_384)
def folder_name(name: str) -> str:
    """A reversible folder or file name of ASCII letters, digits and ``_``; any other UTF-8 byte becomes ``-xx`` (hex).

    Folder names never differ only in the case of letters, which file systems of macOS and Windows ignore: for a name
    with capital letters ``-u`` and their positions as a hexadecimal bit mask are appended (``Orders-u1``,
    ``ORDERS-u3f``). The folder name therefore does not depend on other tables. It is ASCII, which Unicode normalisation
    (NFC, NFD) does not change.

    Percent signs are avoided because Spark, Hadoop and object stores decode them a different number of times. File
    systems allow 255 bytes, and a file name may contain two of these names: a name longer than ``LONGEST_FOLDER_NAME``
    is truncated and gets ``--`` and a digest (``--`` does not occur in other names); it cannot be reversed.
    """
    folder = "".join(
        c if c.isascii() and (c.isalnum() or c == "_") else "".join(f"-{b:02x}" for b in c.encode()) for c in name
    )
    letters = [c for c in name if c.isascii() and c.isalpha()]
    capitals = sum(1 << place for place, letter in enumerate(letters) if letter.isupper())
    if capitals:
        folder += f"{_CAPITALS}{capitals:x}"
    elif _WINDOWS_DEVICES.fullmatch(folder):
        folder = f"-{ord(folder[0]):02x}{folder[1:]}"
    if len(folder) <= LONGEST_FOLDER_NAME:
        return folder
    digest = hashlib.sha256(name.encode()).hexdigest()[:16]
    return f"{folder[: LONGEST_FOLDER_NAME - 18].rstrip('-')}{SHORTENED}{digest}"


def from_folder_name(folder: str) -> str:
    """The name that a folder name was made from, unless it was truncated."""
    raw = _FOLDER_ESCAPE.sub(lambda match: f"%{match.group(1)}", _CAPITALS_ENDING.sub("", folder))
    return unquote(raw)


def safe_name(name: str) -> str:
    """A table or column name that Parquet, Delta, Spark and Synapse all accept, as similar to the original as possible.

    Letters (of any script), digits and underscores are kept; everything else becomes ``_``. A name that starts with a
    digit or with the reserved prefix gets the prefix ``c_``.
    """
    safe = _UNSAFE.sub("_", name) or "_"
    if safe[0].isdigit() or safe.lower().startswith(RESERVED_PREFIX):
        safe = f"c_{safe}"
    return safe


def safe_names(names: Sequence[str], taken: Iterable[str] = ()) -> list[str]:
    """``safe_name`` of each name, with a number appended to names that are equal ignoring case, as in Spark."""
    used = {name.casefold() for name in taken}
    result = []
    for name in names:
        candidate, number = safe_name(name), 2
        while candidate.casefold() in used:
            candidate, number = f"{safe_name(name)}_{number}", number + 1
        used.add(candidate.casefold())
        result.append(candidate)
    return result


def known_names(name: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown name: the most similar name, and all known names or the similar ones."""
    names = sorted(known)
    likely = difflib.get_close_matches(name, names, n=1, cutoff=0.75)
    question = f"did you mean {likely[0]!r}? " if likely else ""
    if len(names) <= _MAX_LISTED_NAMES:
        return f"{question}use one of {names!r}"
    return f"{question}similar ones of {len(names)} are {difflib.get_close_matches(name, names, n=5, cutoff=0)!r}"


def releasable_check(layer: str, table: str, check: str) -> str:
    """A check of a silver table or gold model that stops a run, as a release names it."""
    return f"{layer}/{table}/{check}"


def releasable_figure(table: str, figure: str) -> str:
    """A figure that is not as expected and stops a run, as a release names it."""
    return f"figure/{table}/{figure}"


def releasable_rule(model: str, rule: str) -> str:
    """A reconciliation rule of a gold model that stops a run, as a release names it."""
    return f"rule/{model}/{rule}"
