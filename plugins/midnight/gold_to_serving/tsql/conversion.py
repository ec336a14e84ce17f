"""One conversion, and fitting a text into the length of its type."""

from __future__ import annotations

from dataclasses import dataclass

from midnight.gold_to_serving.tsql.typed import Typed
from midnight.gold_to_serving.tsql.types import UNICODE, SqlType


@dataclass(frozen=True)
class Conversion:
    """A conversion to translate.

    Args:
        value: to convert.
        target: its new type.
        line: for messages.
        attempt: whether it is TRY_CAST, which returns NULL instead of an error.
    """

    value: Typed
    target: SqlType
    line: int
    attempt: bool = False

    @property
    def sql(self) -> str:
        return self.value.sql

    def cast(self, sql: str) -> str:
        """DuckDB's cast to the type, with an error or NULL for values that do not fit."""
        return f"{'TRY_CAST' if self.attempt else 'CAST'}({sql} AS {self.target.duckdb})"

    def macro(self, name: str) -> str:
        return f"tsql.{'try_' if self.attempt else ''}{name}({self.sql})"


NOW = "tsql.datetime_of(tsql.now())"


def fit_text(sql: str, target: SqlType) -> str:
    """Truncate a text to the length of its type, and pad it when the length is fixed."""
    if target.length is None:
        return sql
    unicode = target.kind in UNICODE
    cut = f"tsql.cut{'_units' if unicode else ''}({sql}, {target.length})"
    return (
        f"tsql.fill{'_units' if unicode else ''}({cut}, {target.length})" if target.kind in ("char", "nchar") else cut
    )
