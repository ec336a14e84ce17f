"""Functions with OVER, with NULL sorted first as in T-SQL. Source: "OVER clause" and the functions' pages."""

from __future__ import annotations

from collections.abc import Callable

from midnight.gold_to_serving.tsql import syntax as s
from midnight.gold_to_serving.tsql.aggregates import AGGREGATES, aggregate_sql
from midnight.gold_to_serving.tsql.comparisons import equality_key
from midnight.gold_to_serving.tsql.construct import Construct, FunctionCall
from midnight.gold_to_serving.tsql.conversions import convert
from midnight.gold_to_serving.tsql.typed import Typed
from midnight.gold_to_serving.tsql.types import BIGINT, FLOAT

_RANKS = {
    "ROW_NUMBER": "row_number",
    "RANK": "rank",
    "DENSE_RANK": "dense_rank",
    "PERCENT_RANK": "percent_rank",
    "CUME_DIST": "cume_dist",
}
_NO_FRAME = frozenset({*_RANKS, "NTILE", "LAG", "LEAD", "PERCENTILE_CONT", "PERCENTILE_DISC"})
_NEEDS_ORDER = frozenset({*_RANKS, "NTILE", "LAG", "LEAD", "FIRST_VALUE", "LAST_VALUE"})


def window_function(f: FunctionCall) -> Typed:
    """Translate a call with OVER.

    Raises:
        RefusedError: T-SQL refuses it, or it is not proved.
    """
    name, over = f.node.name, f.node.over or s.Over()
    if name in _NO_FRAME and over.frame is not None:
        raise f.refused(f"{name} takes no frame", "remove ROWS or RANGE")
    if name in _NEEDS_ORDER and not over.order:
        raise f.refused(f"{name} needs ORDER BY in OVER", f"write {name}(…) OVER (ORDER BY …)")
    if over.frame is not None:
        _check_frame(f, over)
    clause = _clause(f, over)
    if name in ("PERCENTILE_CONT", "PERCENTILE_DISC"):
        return _percentile(f, over, clause)
    if name in AGGREGATES and name not in ("GROUPING", "GROUPING_ID"):
        if f.node.distinct or name == "STRING_AGG":
            raise f.refused(
                f"{name} with DISTINCT or WITHIN GROUP cannot have OVER", "aggregate in a derived table and join it"
            )
        return aggregate_sql(f, lambda call: f"{call} OVER ({clause})")
    if name in _RANKS:
        type_ = FLOAT if name in ("PERCENT_RANK", "CUME_DIST") else BIGINT
        return Typed(f"{_RANKS[name]}() OVER ({clause})", type_)
    translate = _OTHERS.get(name)
    if translate is None:
        raise f.refused(f"{name} OVER is not in the table of proved window functions", "docs/tsql.md lists them")
    return translate(f, clause)


def _clause(f: FunctionCall, over: s.Over) -> str:
    parts = []
    if over.partition:
        keys = f.expressions.values(over.partition, f.scope)
        parts.append("PARTITION BY " + ", ".join(equality_key(key) for key in keys))
    if over.order:
        order = f.expressions.order_by(over.order, f.scope, constants=True)  # type: ignore[attr-defined]
        if order:
            parts.append(f"ORDER BY {order}")
    if over.frame is not None:
        parts.append(f"{over.frame.unit} BETWEEN {over.frame.start} AND {over.frame.end}")
    return " ".join(parts)


def _check_frame(f: FunctionCall, over: s.Over) -> None:
    frame = over.frame
    if frame is None:
        return
    if not over.order:
        raise f.refused("a frame needs ORDER BY in OVER", "add ORDER BY")
    if frame.unit == "RANGE" and any(bound[0].isdigit() for bound in (frame.start, frame.end)):
        raise f.refused("RANGE with a number is an error in T-SQL", "write ROWS BETWEEN …")
    if frame.start == "UNBOUNDED FOLLOWING" or frame.end == "UNBOUNDED PRECEDING":
        raise f.refused("the frame's start is after its end", "exchange the bounds")


def _shifted(f: FunctionCall, clause: str) -> Typed:
    value = f.value(0)
    offset = f.value(1).integer if f.count > 1 else 1
    if offset is None or offset < 0:
        raise f.refused(f"{f.node.name}: the offset must be a constant of at least 0", "write the number of rows")
    default = ""
    if f.count == 3 and not f.value(2).is_null:
        default = f", {convert(f.value(2), value.type, f.node.line).sql}"
    return Typed(f"{f.node.name.lower()}({value.sql}, {offset}{default}) OVER ({clause})", value.type)


def _first_or_last(f: FunctionCall, clause: str) -> Typed:
    value = f.value(0)
    return Typed(f"{f.node.name.lower()}({value.sql}) OVER ({clause})", value.type)


def _ntile(f: FunctionCall, clause: str) -> Typed:
    count = f.value(0).integer
    if count is None or count < 1:
        raise f.refused("NTILE: the number of groups must be a constant of at least 1", "write the number")
    return Typed(f"ntile({count}) OVER ({clause})", BIGINT)


def _percentile(f: FunctionCall, over: s.Over, clause: str) -> Typed:
    """A fraction of the WITHIN GROUP values; NULL is ignored."""
    if over.order or len(f.node.within) != 1:
        raise f.refused(
            f"{f.node.name} needs WITHIN GROUP (ORDER BY x) and OVER (PARTITION BY …)", "without ORDER BY in OVER"
        )
    fraction, item = f.value(0), f.node.within[0]
    if fraction.constant is None or isinstance(fraction.constant, str) or not 0 <= fraction.constant <= 1:
        raise f.refused(f"{f.node.name}: the fraction must be a constant from 0 to 1", "write 0.5 for the median")
    value = f.expressions.value(item.expression, f.scope)
    if not value.type.is_number or item.descending:
        raise f.refused(f"{f.node.name} of {value.type} is not supported", "sort a number, ascending")
    part = f"CAST('{fraction.constant}' AS DOUBLE)"
    if f.node.name == "PERCENTILE_CONT":
        return Typed(f"quantile_cont(CAST({value.sql} AS DOUBLE), {part}) OVER ({clause})", FLOAT)
    return Typed(f"quantile_disc({value.sql}, {part}) OVER ({clause})", value.type)


_OTHERS: dict[str, Callable[[FunctionCall, str], Typed]] = {
    "LAG": _shifted,
    "LEAD": _shifted,
    "FIRST_VALUE": _first_or_last,
    "LAST_VALUE": _first_or_last,
    "NTILE": _ntile,
}


def _row(name: str, signature: str, example: str, arguments: tuple[int, int] = (0, 0)) -> Construct:
    page = f"functions/{name.lower().replace('_', '-')}-transact-sql"
    return Construct(name, "Window functions", signature, example, page, arguments=arguments)


_ORDERED = "OVER ([PARTITION BY …] ORDER BY …)"
WINDOW_FUNCTIONS = (
    _row("ROW_NUMBER", f"ROW_NUMBER() {_ORDERED} → bigint", "NULL sorts first"),
    _row("RANK", f"RANK() {_ORDERED} → bigint", "1, 1, 3"),
    _row("DENSE_RANK", f"DENSE_RANK() {_ORDERED} → bigint", "1, 1, 2"),
    _row("NTILE", f"NTILE(n) {_ORDERED} → bigint", "larger groups first", (1, 1)),
    _row("PERCENT_RANK", f"PERCENT_RANK() {_ORDERED} → float", "0 for the first row"),
    _row("CUME_DIST", f"CUME_DIST() {_ORDERED} → float", "1 for the last row"),
    _row("LAG", f"LAG(x [, n [, default]]) {_ORDERED}", "NULL before the first row", (1, 3)),
    _row("LEAD", f"LEAD(x [, n [, default]]) {_ORDERED}", "NULL after the last row", (1, 3)),
    _row("FIRST_VALUE", f"FIRST_VALUE(x) {_ORDERED}", "the first row of the frame", (1, 1)),
    _row("LAST_VALUE", f"LAST_VALUE(x) {_ORDERED}", "the last row of the frame, which ends at the current row", (1, 1)),
    _row(
        "PERCENTILE_CONT",
        "PERCENTILE_CONT(p) WITHIN GROUP (ORDER BY number) OVER (PARTITION BY …) → float",
        "0.5 is the median",
        (1, 1),
    ),
    _row(
        "PERCENTILE_DISC",
        "PERCENTILE_DISC(p) WITHIN GROUP (ORDER BY number) OVER (PARTITION BY …)",
        "a value of the column",
        (1, 1),
    ),
)
