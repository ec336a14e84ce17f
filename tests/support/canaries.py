"""Recognisable secrets (canaries), and the search for them in all files that a run writes.

``plant`` creates one value per kind of secret. ``find_leaks`` searches for each in plain text and in common encodings.
Percent-encoding, JSON, ``repr``, XML and quoting in SQL change special characters only, so each canary has a core of
letters and digits, which they do not change; base64, hexadecimal and UTF-16 are searched for separately.
"""

from __future__ import annotations

import base64
import gzip
import re
import secrets
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

# Characters with a meaning in some syntax.
_AWKWARD = "~p@s:s/w%r+d&=?#;{}'\"\\ü"
# Shorter ones would be found by chance, longer ones missed where a text is cut.
_SHORTEST = 12
_SQLITE = b"SQLite format 3\0"


@dataclass(frozen=True)
class Leak:
    """A secret found outside its store.

    Args:
        secret: name of the canary; never its value.
        form: the encoding in which it was found.
        where: file or label.
        before: the text before it.
    """

    secret: str
    form: str
    where: str
    before: str


def plant() -> dict[str, str]:
    """A random value for each kind of secret, in the format that its consumer requires."""

    def core() -> str:
        return f"cnry{secrets.token_hex(12)}"

    def key() -> str:  # 32 bytes as base64, with a core that base64 itself has as text
        text = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
        return text if _core(text) else key()

    return {
        "source_password": core() + _AWKWARD,
        "client_secret": f"Ab8Q~{core()}.x",
        "databricks_token": f"dapi{core()}",
        "storage_key": f"DefaultEndpointsProtocol=https;AccountName=lake;AccountKey={core()}==;EndpointSuffix=x",
        "sas": f"sv=2024-11-04&ss=b&sig={core()}%3D",
        "synapse_password": core() + "}{;p@w",
        "masking_key": secrets.token_hex(32),
        "fernet_key": key(),
        "jwt_secret": core(),
        "api_secret": core(),
        "metadata_password": core() + "@:/",
    }


def find_leaks(places: Iterable[Path], canaries: Mapping[str, str], *, ignore: Collection[str] = ()) -> list[Leak]:
    """All canaries in files.

    Args:
        places: files and folders (with everything below them, SQLite's -wal files too).
        canaries: name -> value.
        ignore: names of files that contain secrets by design.
    """
    needles = _needles(canaries)
    found = []
    for path in sorted({file for place in places for file in _files(place)}):
        if path.name in ignore:
            continue
        for content in _contents(path):
            found += _search(content, needles, str(path))
    return found


def find_leaks_in(texts: Mapping[str, str | bytes], canaries: Mapping[str, str]) -> list[Leak]:
    """All canaries in texts, by label."""
    needles = _needles(canaries)
    encoded = {label: text.encode() if isinstance(text, str) else text for label, text in texts.items()}
    return [leak for label, content in encoded.items() for leak in _search(content, needles, label)]


def _files(place: Path) -> Iterator[Path]:
    if place.is_dir():
        yield from (path for path in place.rglob("*") if path.is_file() and not path.is_symlink())
    else:
        yield place


def _contents(path: Path) -> Iterator[bytes]:
    content = path.read_bytes()
    yield content
    if content.startswith(b"\x1f\x8b"):
        yield gzip.decompress(content)
    if content.startswith(_SQLITE):
        # A value that is longer than a page is stored in pieces in the file.
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
            yield "\n".join(database.iterdump()).encode(errors="surrogateescape")
        database.close()


def _search(content: bytes, needles: Mapping[tuple[str, str], list[bytes]], where: str) -> list[Leak]:
    # bytes.find is a hundred times faster than a regular expression that ignores case.
    small = content.lower()
    return [
        Leak(secret, form, where, content[max(0, start - 40) : start].decode(errors="replace"))
        for (secret, form), those in needles.items()
        for needle in those
        for start in _positions(small, needle)
    ]


def _positions(content: bytes, needle: bytes) -> Iterator[int]:
    start = content.find(needle)
    while start >= 0:
        yield start
        start = content.find(needle, start + len(needle))


def _needles(canaries: Mapping[str, str]) -> dict[tuple[str, str], list[bytes]]:
    return {
        (name, form): sorted({needle.lower() for needle in needles})
        for name, value in canaries.items()
        for form, needles in _forms(name, value).items()
    }


def _forms(name: str, value: str) -> dict[str, list[bytes]]:
    core = _core(value)
    if not core:
        raise ValueError(f"canary {name!r} has no {_SHORTEST} letters and digits in a row to be recognised by")
    raw = core.encode()
    return {
        "plain": [raw],
        "base64": [*_base64(raw), *(_base64(value.encode()) if value != core else [])],
        "hexadecimal": [raw.hex().encode()],
        "UTF-16": [core.encode("utf-16-le"), core.encode("utf-16-be")],
    }


def _core(value: str) -> str:
    """The longest run of letters and digits; empty when it is too short."""
    longest = max(re.findall(r"[0-9A-Za-z]+", value) or [""], key=len)
    return longest if len(longest) >= _SHORTEST else ""


def _base64(raw: bytes) -> list[bytes]:
    """The part of the base64 text that does not depend on the offset modulo 3: in ``user:password`` it is not 0."""
    result = []
    for shift in range(3):
        encoded = base64.b64encode(bytes(shift) + raw)
        first = (shift * 8 + 5) // 6  # digits that depend on the bytes before
        last = (shift + len(raw)) * 8 // 6  # digits that do not depend on the bytes after
        part = encoded[first:last]
        result += [part, part.translate(bytes.maketrans(b"+/", b"-_"))]
    return result
