"""Silver names for tables whose names only PostgreSQL allows."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

from midnight.names import safe_name, safe_names

# Letters that have no decomposition into an ASCII letter and an accent; Cyrillic as passports write it (ICAO 9303).
_LETTERS = str.maketrans(
    {
        **{"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "þ": "th", "ð": "d"},
        **dict(zip("абвгдеёзийклмнопрстуфыэіїґ", "abvgdeeziiklmnoprstufyeiig", strict=True)),
        **{"ж": "zh", "\u0445": "kh", "ц": "ts", "ч": "ch", "ш": "sh", "щ": "shch", "ю": "iu", "я": "ia", "є": "ie"},
        **{"ъ": "ie", "ь": ""},
    }
)


def silver_name(table: str) -> str:
    """A lower-case ASCII name close to the table's; a digest replaces what has no ASCII form."""
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFC", table.lower()).translate(_LETTERS))
    letters = "".join(c for c in folded if not unicodedata.combining(c))
    plain = "".join(c if c.isascii() and c.isalnum() else "_" for c in letters)
    plain = re.sub(r"_+", "_", plain).strip("_")
    if not plain or any(c.isalnum() and not c.isascii() for c in letters):
        digest = hashlib.sha256(table.encode()).hexdigest()[:8]
        plain = f"{plain or 't'}_{digest}"
    return safe_name(plain)


def silver_names(tables: Sequence[tuple[str, str]], taken: Iterable[str] = ()) -> dict[tuple[str, str], str]:
    """Silver name of each (schema, table): the table's name, prefixed by its schema where two schemas share it."""
    bare = Counter(silver_name(table) for _, table in tables)
    used = set(taken)
    wanted = [
        silver_name(table) if bare[silver_name(table)] == 1 or schema == "public" else
        silver_name(f"{schema}_{table}")
        for schema, table in tables
    ]  # fmt: skip
    return dict(zip(tables, safe_names(wanted, used), strict=True))
