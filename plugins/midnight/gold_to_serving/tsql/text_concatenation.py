"""CONCAT and CONCAT_WS. Source: "CONCAT (Transact-SQL)", "CONCAT_WS (Transact-SQL)"."""

from __future__ import annotations

from midnight.gold_to_serving.tsql.construct import FunctionCall
from midnight.gold_to_serving.tsql.conversion import fit_text
from midnight.gold_to_serving.tsql.operators import concatenated_type
from midnight.gold_to_serving.tsql.typed import Typed
from midnight.gold_to_serving.tsql.types import MAXIMUM_BYTES


def concat(f: FunctionCall) -> Typed:
    return _joined([_or_null(f, i) for i in range(f.count)], "concat(", "")


def _or_null(f: FunctionCall, index: int) -> Typed | None:
    return None if f.value(index).is_null else f.text(index)


def _joined(parts: list[Typed | None], head: str, separator: str) -> Typed:
    shown = [part for part in parts if part is not None]
    type_ = concatenated_type([part.type for part in shown])
    sql = f"{head}{separator}{', '.join(part.sql for part in shown)})" if shown else "''"
    total = sum(part.type.length or 0 for part in shown)
    return Typed(fit_text(sql, type_) if type_.length is not None and total > type_.length else sql, type_)


def concat_ws(f: FunctionCall) -> Typed:
    separator = None if f.value(0).is_null else f.text(0)
    parts = [_or_null(f, i) for i in range(1, f.count)]
    between = f"coalesce({separator.sql}, '')" if separator is not None else "''"
    joined = _joined(parts, "concat_ws(", f"{between}, ")
    lengths = [separator] * (len(parts) - 1) if separator is not None else []
    type_ = concatenated_type([part.type for part in (*parts, *lengths) if part is not None])
    return Typed(
        joined.sql if type_.length is None or type_.length < MAXIMUM_BYTES // 2 else fit_text(joined.sql, type_), type_
    )
