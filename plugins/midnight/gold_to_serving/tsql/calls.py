"""Calls of functions, aggregates and window functions: which one it is, and whether it may be used in its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from midnight.gold_to_serving.tsql import syntax as s
from midnight.gold_to_serving.tsql.aggregates import AGGREGATE_FUNCTIONS, AGGREGATES, WINDOW_ONLY
from midnight.gold_to_serving.tsql.construct import FunctionCall
from midnight.gold_to_serving.tsql.constructs import FUNCTIONS
from midnight.gold_to_serving.tsql.problems import RefusedError
from midnight.gold_to_serving.tsql.refused_constructs import REFUSED
from midnight.gold_to_serving.tsql.scope import Scope
from midnight.gold_to_serving.tsql.typed import Typed
from midnight.gold_to_serving.tsql.windows import WINDOW_FUNCTIONS, window_function

if TYPE_CHECKING:
    from midnight.gold_to_serving.tsql.expressions import Expressions

_AGGREGATES_AND_WINDOWS = {row.name: row for row in (*AGGREGATE_FUNCTIONS, *WINDOW_FUNCTIONS)}


def translate_call(node: s.Call, scope: Scope, expressions: Expressions) -> Typed:
    """Translate a function, aggregate or window function.

    Raises:
        RefusedError: it is unknown, cannot be used in this place, or has wrong arguments.
    """
    if node.name in _AGGREGATES_AND_WINDOWS:
        _check_call(node)
    if node.over is not None:
        if not scope.windows:
            raise RefusedError(
                node.line, f"{node.name} OVER can only be used in SELECT and ORDER BY", "filter it in an outer SELECT"
            )
        return window_function(FunctionCall(node, scope, expressions))
    if node.name in WINDOW_ONLY:
        raise RefusedError(node.line, f"{node.name} needs OVER", f"write {node.name}(…) OVER (ORDER BY …)")
    if node.name in AGGREGATES:
        if scope.aggregate is None:
            raise RefusedError(node.line, f"{node.name}: an aggregate cannot be used here", "use HAVING, or a subquery")
        return scope.aggregate(node)
    if node.within or node.distinct:
        raise RefusedError(node.line, f"{node.name} takes no DISTINCT and no WITHIN GROUP", "remove it")
    function = FUNCTIONS.get(node.name)
    if function is None or function.translate is None:
        refused = REFUSED.get(node.name)
        if refused is not None:
            raise RefusedError(node.line, f"{node.name}: {refused.reason}", refused.hint)
        hint = "docs/tsql.md lists what is translated; or mark the view '-- midnight: azure only'"
        raise RefusedError(node.line, f"{node.name} is not in the table of proved functions", hint)
    least, most = function.arguments
    if not least <= len(node.arguments) <= most:
        raise RefusedError(node.line, f"{node.name} has {len(node.arguments)} arguments", f"write {function.signature}")
    return function.translate(FunctionCall(node, scope, expressions))


def _check_call(node: s.Call) -> None:
    """Check the number of arguments, DISTINCT and WITHIN GROUP of an aggregate or window function."""
    row = _AGGREGATES_AND_WINDOWS[node.name]
    least, most = row.arguments
    if not least <= len(node.arguments) <= most:
        raise RefusedError(node.line, f"{node.name} has {len(node.arguments)} arguments", f"write {row.signature}")
    if node.within and node.name not in ("STRING_AGG", "PERCENTILE_CONT", "PERCENTILE_DISC"):
        raise RefusedError(node.line, f"{node.name} takes no WITHIN GROUP", f"write {row.signature}")
    if node.distinct and node.name not in (
        "COUNT",
        "COUNT_BIG",
        "SUM",
        "AVG",
        "MIN",
        "MAX",
        "STDEV",
        "STDEVP",
        "VAR",
        "VARP",
    ):
        raise RefusedError(node.line, f"{node.name} takes no DISTINCT", f"write {row.signature}")
