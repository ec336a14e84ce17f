"""Names of syntax tree nodes in the proved list."""

from __future__ import annotations

import re
from typing import Any

# Class of the node -> operation.
BINARY = {
    "Add": "+",
    "Sub": "-",
    "Mul": "*",
    "Div": "/",
    "IntDiv": "div",
    "Mod": "%",
    "DPipe": "||",
    "And": "and",
    "Or": "or",
    "EQ": "=",
    "NEQ": "<>",
    "LT": "<",
    "LTE": "<=",
    "GT": ">",
    "GTE": ">=",
    "NullSafeEQ": "<=>",
    "NullSafeNEQ": "is distinct from",
    "RegexpLike": "rlike",
    "BitwiseAnd": "&",
    "BitwiseOr": "|",
    "BitwiseXor": "^",
}
ARITHMETIC = ("+", "-", "*", "/", "%")
# Functions with any number of arguments of one kind: compared two at a time.
VARIADIC = {"coalesce", "greatest", "least", "concat", "array"}
# ``int(x)`` is CAST(x AS INT); Sail interprets some of them differently.
CAST_FUNCTIONS = {
    *(
        "boolean",
        "tinyint",
        "smallint",
        "int",
        "bigint",
        "float",
        "double",
        "decimal",
        "string",
        "binary",
        "date",
        "timestamp",
    ),
}
# Any number of arguments after the first ones, each compared separately.
EACH_ALONE = {"concat_ws": 1, "hash": 0, "xxhash64": 0}
# Their first argument is the name of a unit, not a column.
UNIT_FIRST = {"timestampadd", "timestampdiff", "dateadd", "date_add", "datediff", "date_diff"}
# The order of rows, or the row whose value is returned, is not deterministic: two runs of Spark may differ.
ANY_ORDER = {"collect_list", "array_agg", "collect_set"}
ORDERING = {"sort_array", "array_sort", "size", "cardinality", "array_size", "array_contains", "array_max", "array_min"}
GENERATORS = {"explode", "explode_outer", "posexplode", "posexplode_outer", "inline", "inline_outer", "stack"}
LAMBDAS = {"transform", "filter", "exists", "forall", "aggregate", "reduce", "zip_with"}

_INTERVAL_UNITS = re.compile(r"(year|quarter|month|week|day|hour|minute|second|millisecond|microsecond)s?")


def interval_name(node: Any) -> str | None:
    """``interval day`` for INTERVAL 1 DAY; None for forms with several units or of expressions."""
    from sqlglot import exp

    amount, unit = node.this, node.args.get("unit")
    if not isinstance(amount, exp.Literal) or not isinstance(unit, exp.Var):
        return None
    found = _INTERVAL_UNITS.fullmatch(unit.name.lower())
    return f"interval {found[1]}" if found and re.fullmatch(r"-?\d+", amount.name.strip()) else None


def frame_name(window: Any) -> str:
    """The frame of a window without its numbers: ``over (order rows n preceding..current row)``."""
    from sqlglot import exp

    order, spec = window.args.get("order"), window.args.get("spec")
    ordered = "order" if order is not None else ""
    if spec is None:
        return f"over ({ordered})"
    bounds = []
    for side in ("start", "end"):
        bound, direction = spec.args.get(side), spec.args.get(f"{side}_side") or ""
        if bound is None:
            bound = "CURRENT ROW"
        literal = isinstance(bound, exp.Literal) and not bound.is_string
        word = "n" if literal else bound if isinstance(bound, str) else "expression"
        bounds.append(f"{word} {direction}".strip().lower())
    return f"over ({ordered} {str(spec.args.get('kind')).lower()} {'..'.join(bounds)})".replace("( ", "(")
