"""What an expression consists of: whether its value follows from one row alone."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from midnight.silver_to_gold.spark_sql.operations import ANY_ORDER, CAST_FUNCTIONS, GENERATORS, ORDERING, UNIT_FIRST
from midnight.silver_to_gold.spark_sql.proof import proved_list
from midnight.silver_to_gold.sql_references import NOT_REPRODUCIBLE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlglot import exp

# Spark 4.1's aggregate functions, and those that only have a value in a group or window.
AGGREGATES = {
    *("any", "any_value", "approx_count_distinct", "approx_percentile", "approx_top_k", "avg", "bit_and", "bit_or"),
    *("bit_xor", "bitmap_and_agg", "bitmap_construct_agg", "bitmap_or_agg", "bool_and", "bool_or", "collect_list"),
    *("collect_set", "array_agg", "corr", "count", "count_if", "count_min_sketch", "covar_pop", "covar_samp"),
    *("cume_dist", "dense_rank", "every", "first", "first_value", "grouping", "grouping_id", "histogram_numeric"),
    *("hll_sketch_agg", "hll_union_agg", "kurtosis", "lag", "last", "last_value", "lead", "listagg", "max", "max_by"),
    *("mean", "median", "min", "min_by", "mode", "nth_value", "ntile", "percent_rank", "percentile"),
    *("percentile_approx", "percentile_cont", "percentile_disc", "product", "rank", "regr_avgx", "regr_avgy"),
    *("regr_count", "regr_intercept", "regr_r2", "regr_slope", "regr_sxx", "regr_sxy", "regr_syy", "row_number"),
    *("skewness", "some", "std", "stddev", "stddev_pop", "stddev_samp", "string_agg", "sum", "try_avg", "try_sum"),
    *("var_pop", "var_samp", "variance", "schema_of_json_agg", "schema_of_variant_agg", "kll_sketch_agg_bigint"),
}
# Which row decides is not determined: the rows of a key that is not affected could still change in a rebuild.
ANY_ROW = {"first", "last", "any_value", "first_value", "last_value"}

_CONCATENATED = {"listagg", "string_agg"}


@cache
def row_functions() -> frozenset[str]:
    """Functions whose result follows from their arguments."""
    from sqlglot import exp

    known = {name.lower() for name, kind in exp.FUNCTION_BY_NAME.items() if not issubclass(kind, exp.AggFunc)}
    known |= {name for name in proved_list().operations if name.isidentifier()}
    return frozenset((known | CAST_FUNCTIONS) - AGGREGATES - GENERATORS - NOT_REPRODUCIBLE)


def own_nodes(node: exp.Expr) -> Iterator[exp.Expr]:
    """The nodes of an expression, without those of the queries in it."""
    from sqlglot import exp

    yield node
    if not isinstance(node, exp.Query):
        for child in node.iter_expressions():
            yield from own_nodes(child)


def call_name(node: exp.Expr) -> str:
    """Name of a call in lower case; empty for other nodes."""
    from sqlglot import exp

    return node.name.lower() if isinstance(node, exp.Anonymous) else ""


def not_of_one_row(node: exp.Expr) -> str:
    """Why an expression is not a function of one row; empty if it is."""
    from sqlglot import exp

    for part in own_nodes(node):
        name = call_name(part)
        if isinstance(part, exp.Query):
            return "computed by a subquery"
        if isinstance(part, exp.Window):
            return "computed over a window"
        if isinstance(part, exp.Lambda | exp.Star | exp.Placeholder | exp.Parameter | exp.AggFunc | exp.WithinGroup):
            return f"computed by {part.key}"
        if name and name not in row_functions():
            known = name in AGGREGATES or name in GENERATORS
            return f"computed by {name}" if known else f"computed by {name}, a function that is not known to Midnight"
    return ""


def has_aggregate(node: exp.Expr) -> str:
    """Name of a function that aggregates, or may, in an expression outside of windows; empty if there is none."""
    from sqlglot import exp

    for part in own_nodes(node):
        name = call_name(part)
        if name and name not in row_functions() and name not in GENERATORS and not _over_window(part):
            return name
        if isinstance(part, exp.AggFunc):
            return part.key
    return ""


def _over_window(node: exp.Expr) -> bool:
    from sqlglot import exp

    parent = node.parent
    while isinstance(parent, exp.Filter | exp.IgnoreNulls | exp.RespectNulls) and parent.this is node:
        node, parent = parent, parent.parent
    return isinstance(parent, exp.Window) and parent.this is node


def undetermined(statement: exp.Expr) -> str:
    """A function of a query whose result depends on more than its rows, such as their order; empty if there is none."""
    from sqlglot import exp

    for part in statement.walk():
        name = call_name(part)
        name = part.sql_name().lower() if isinstance(part, exp.Func) and not name else name
        if name in NOT_REPRODUCIBLE:
            return name
        if name in ANY_ROW and not _over_window(part):
            return name
        if name in _CONCATENATED and not isinstance(part.parent, exp.WithinGroup):
            return name
        sorted_later = part.parent is not None and call_name(part.parent) in ORDERING
        if name in ANY_ORDER and not sorted_later:
            return name
    return ""


def unit_argument(node: exp.Expr) -> bool:
    """Whether a node is the unit in ``timestampadd(MINUTE, …)``, which is parsed as a column."""
    call = node.parent
    name = call_name(call) if call is not None else ""
    return bool(name in UNIT_FIRST and call and len(call.expressions) == 3 and call.expressions[0] is node)
