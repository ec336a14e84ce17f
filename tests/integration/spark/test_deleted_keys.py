"""Keys of every type are found in a list of keys as they are in rows: cleaned, cast and masked by the same rules."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from midnight.configuration.tables import Table
from midnight.masking import MaskingKey
from spark_jobs.silver import key_lists
from tests.support.incremental_source import IncrementalSource
from tests.support.incremental_tables import INCREMENTAL, run
from tests.support.sealed_batches import read_rows, table

TEXTS = [
    "a",
    "A",
    " a b ",
    "é",
    "e\u0301",
    "ß",
    "ẞ",
    "日本",
    "",
    "\u00a0x",
    "x\u2003y",
    "'q\"",
    "\\",
    "NaN",
    "null",
    "0",
    "00",
]
KEYS: dict[str, tuple[dict[str, Any], Sequence[Any]]] = {
    "plain": ({"type": "text"}, [*TEXTS, "b ", "\tc"]),
    "untrimmed": ({"type": "text", "trim": False}, [*TEXTS, "a ", " a", "a\t"]),
    "folded": ({"type": "citext"}, TEXTS),
    "padded": ({"type": "character(5)", "trim": False}, ["a    ", "ab   ", " b   ", "     ", "12345"]),
    "filled": ({"type": "text", "null_values": ["NA"], "nulls": {"fill": "none"}}, ["NA", "a", "b", "c"]),
    "numbers": ({"type": "text", "cast": "integer"}, ["1", " 02 ", "+3", "-4", "5"]),
    "masked": ({"type": "text", "mask": "pseudonym"}, TEXTS[:8]),
    "guid": ({"type": "uuid"}, [f"{n:08x}-0000-4000-8000-00000000000{n}" for n in range(5)]),
    "small": ({"type": "smallint"}, [-32768, -1, 0, 1, 32767]),
    "large": ({"type": "bigint"}, [-(2**63), -1, 0, 2**53 + 1, 2**63 - 1]),
    "exact": ({"type": "numeric(20,2)"}, list(map(Decimal, ("-1.10", "0.00", "1.10", "123456789012345678.91")))),
    "day": ({"type": "date"}, [date(1, 1, 1), date(1969, 12, 31), date(2024, 2, 29), date(9999, 12, 31)]),
    "moment": (
        {"type": "timestamp with time zone"},
        [
            datetime(1969, 12, 31, 23, 59, 59, 999999, UTC),
            datetime(2024, 3, 31, 1, 30, 0, 1, UTC),
            datetime(9999, 1, 1, tzinfo=UTC),
        ],
    ),
    "clock": ({"type": "timestamp without time zone"}, [datetime(2024, 3, 31, 2, 30), datetime(1582, 10, 10)]),
    "flag": ({"type": "boolean"}, [True, False]),
    "ratio": ({"type": "double precision"}, [0.1, -0.0, 1e300, float("inf"), -1.5]),
    "raw": ({"type": "bytea"}, [b"", b"\x00", b"\xff\x00", b"a"]),
}


def source_of(lake, name: str, part: str, deletes: str) -> IncrementalSource:
    """A table with a key of the type, or with one that has a second column as well."""
    kind, values = KEYS[name]
    columns: dict[str, Any] = {"k": kind, "v": "integer", "moved": {"type": "integer", "drop": True}}
    rules: dict[str, Any] = {
        **INCREMENTAL,
        "cursor_lag": 0,
        "key": ["k"] if part == "single" else ["v", "k"],
        "new_columns": "ignore",
    }
    found = IncrementalSource(lake, table(f"{name}_{part}", columns, deletes=deletes, **rules))
    found.rows = {n: {"k": value, "v": n, "moved": n} for n, value in enumerate(values, start=1)}
    return found


def present(lake, t: Table) -> list[int]:
    rows = read_rows(lake.silver_table(t.silver))
    return sorted(row["v"] for row in rows if row.get("_midnight_deleted_batch_id") is None)


@pytest.mark.parametrize(("deletes", "buckets"), [("keys", False), ("soft", True)])
def test_a_key_of_any_type_is_found_in_the_list(sail_session, lake, monkeypatch, deletes, buckets):
    if buckets:
        monkeypatch.setattr(key_lists, "KEYS_AT_ONCE", 2)
    sources = [source_of(lake, name, part, deletes) for name in KEYS for part in ("single", "pair")]
    masking_key = MaskingKey(bytes(range(32)))
    for source in sources:
        source.ingest(1)
    run(sail_session, 1, *sources, masking_key=masking_key)
    before = {source.table.silver: present(lake, source.table) for source in sources}
    for source in sources:
        source.rows.pop(2)
        source.rows.pop(max(source.rows))
        if len(source.table.key) > 1 and source.rows:  # a new key, of which a part is known
            source.rows[99] = {"k": source.rows[1]["k"], "v": 99, "moved": None}
        source.ingest(2)
    run(sail_session, 2, *sources, masking_key=masking_key)
    for source in sources:
        kept = {row["v"] for row in source.rows.values()}
        expected = [v for v in before[source.table.silver] if v in kept] + ([99] if 99 in kept else [])
        assert present(lake, source.table) == expected, source.table.silver
