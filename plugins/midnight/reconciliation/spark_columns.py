"""The plan of a digest from Spark's types."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from midnight.reconciliation.row_digest import DigestPlan


def digest_plan(columns: Iterable[tuple[str, str]], key: Sequence[str]) -> DigestPlan:
    """The plan of a table of silver or gold.

    Args:
        columns: name and Spark type of each, in any order; the plan sorts them by name.
        key: columns that identify a row; empty for the complete row.
    """
    import pyarrow as pa

    from midnight.reconciliation.row_digest import DigestPlan

    kinds = {
        **dict.fromkeys(("TINYINT", "SMALLINT", "INT", "BIGINT"), pa.int64()),
        **dict.fromkeys(("FLOAT", "DOUBLE"), pa.float64()),
        "BOOLEAN": pa.bool_(),
        "DATE": pa.date32(),
        "TIMESTAMP": pa.timestamp("us"),
        **dict.fromkeys(("STRING", "BINARY"), pa.large_binary()),
    }

    def canonical(kind: str) -> pa.DataType:
        name = kind.strip().upper().replace(" ", "")
        if name.startswith("DECIMAL"):
            return pa.decimal128(38, int(name.rstrip(")").partition(",")[2] or 0))
        return kinds[name]

    return DigestPlan(tuple(sorted((name, canonical(kind)) for name, kind in columns)), tuple(key))
