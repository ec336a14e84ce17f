"""Aggregates and windows on every type and frame."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from tools.spark_sql_proof.cases import ARRAYS, DECIMALS, FLOATS, NUMBERS, PLAIN, WHOLE, Case, filled
from tools.spark_sql_proof.grid import VALUES, column_name

# Sums of floating point depend on the order of the rows, on Apache Spark as well, unless every sum is exact.
FEW_DECIMALS = ["decimal(10,2)", "decimal(38,18)"]
FEW_KINDS = [kind for kind in PLAIN if kind not in DECIMALS or kind in FEW_DECIMALS]
ORDERED = [kind for kind in FEW_KINDS if kind != "binary"]  # Sail cannot order by binary values in a window
_EXACT = {"float": (0, 1, 2, 3, 4, 9, 12), "double": (0, 1, 2, 3, 4, 9, 12)}
_SPECIAL = {"float": (0, 1, 6, 7, 8), "double": (0, 1, 6, 7, 8)}
FRAMES = [
    "",
    "ORDER BY i",
    "ORDER BY i ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW",
    "ORDER BY i ROWS UNBOUNDED PRECEDING",
    "ORDER BY i ROWS BETWEEN 2 PRECEDING AND CURRENT ROW",
    "ORDER BY i ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING",
    "ORDER BY i ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING",
    "ORDER BY i ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING",
    "ORDER BY i ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING",
    "ORDER BY i ROWS BETWEEN 3 PRECEDING AND 1 PRECEDING",
    "ORDER BY i ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING",
    "ORDER BY i RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW",
    "ORDER BY i RANGE BETWEEN 2 PRECEDING AND CURRENT ROW",
    "ORDER BY i RANGE BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING",
]


def subsets(kind: str, indexes: tuple[int, ...] | None = None) -> str:
    """Return a condition that selects other values of a type for each j: all, every second, …, and none for the last."""
    chosen = indexes or tuple(range(len(VALUES[kind])))
    return f"j < 12 AND i IN ({', '.join(map(str, chosen))}) AND (i + j) % (j + 1) = 0"


def _groups(templates: list[str], kinds: list[str], second: list[str] | None = None) -> Iterator[Case]:
    for template, kind, other in product(templates, kinds, second or [""]):
        text = filled(template, column_name("a", kind), column_name("a", other) if other else "")
        ranges = [_EXACT.get(kind), _SPECIAL[kind]] if kind in _SPECIAL else [None]
        inner = text.removeprefix("sort_array(").partition("(")[0]
        abouts = ["", inner] if text.startswith("sort_array(") else [""]  # in any order, the same elements
        yield from (Case(text, subsets(kind, indexes), a, "groups") for indexes, a in product(ranges, abouts))


def aggregates() -> Iterator[Case]:
    """Aggregate functions on every type."""
    any_kind = ["count({0})", "count(DISTINCT {0})", "min({0})", "max({0})", "count(*)", "count(1)"]
    any_kind += ["min_by(i, {0})", "max_by(i, {0})", "max_by({0}, i)", "min_by({0}, i)"]
    any_kind += [
        "sort_array(collect_list({0}))",
        "sort_array(collect_set({0}))",
        "size(collect_set({0}))",
        "size(collect_list({0}))",
    ]
    any_kind += [
        "sort_array(array_agg({0}))",
        "count({0}) FILTER (WHERE i > 2)",
        "min({0}) FILTER (WHERE i > 2)",
        "mode({0})",
    ]
    any_kind += ["approx_count_distinct({0})", "array_sort(collect_list({0}))", "count(DISTINCT {0}, i)"]
    yield from _groups(any_kind, [*PLAIN, *ARRAYS])
    numbers = [
        "sum({0})",
        "avg({0})",
        "mean({0})",
        "sum(DISTINCT {0})",
        "avg(DISTINCT {0})",
        "median({0})",
        "stddev({0})",
        "std({0})",
    ]
    numbers += [
        "stddev_samp({0})",
        "stddev_pop({0})",
        "variance({0})",
        "var_samp({0})",
        "var_pop({0})",
        "skewness({0})",
        "kurtosis({0})",
    ]
    numbers += [f"percentile({{0}}, {p})" for p in ("0.5", "0.9", "0.25", "0", "1")]
    numbers += [f"percentile_approx({{0}}, {p})" for p in ("0.5", "0.9")] + ["approx_percentile({0}, 0.5)"]
    numbers += [
        f"{name}({p}) WITHIN GROUP (ORDER BY {{0}})"
        for name, p in product(("percentile_cont", "percentile_disc"), ("0.5", "0.9"))
    ]
    numbers += [
        "sum({0}) FILTER (WHERE i > 1)",
        "avg({0}) FILTER (WHERE i > 1)",
        "try_sum({0})",
        "try_avg({0})",
        "product({0})",
    ]
    yield from _groups(numbers, NUMBERS)
    truths = ["bool_and({0})", "bool_or({0})", "every({0})", "some({0})", "any({0})", "count_if({0})"]
    yield from _groups(truths, ["boolean"])
    yield from _groups(
        [
            "string_agg({0}, ',') WITHIN GROUP (ORDER BY {0})",
            "listagg({0}, ',') WITHIN GROUP (ORDER BY {0})",
            "string_agg({0}, ',')",
        ],
        ["string"],
    )
    yield from _groups(
        ["corr({0}, {1})", "covar_pop({0}, {1})", "covar_samp({0}, {1})", "regr_slope({0}, {1})"], ["int"], ["int"]
    )
    yield from _groups(["bit_and({0})", "bit_or({0})", "bit_xor({0})"], ["int", "bigint"])


def windows() -> Iterator[Case]:
    """Window functions and aggregates over frames."""

    def over(template: str, kind: str, frame: str) -> Case:
        text = f"{filled(template, column_name('a', kind))} OVER (PARTITION BY j {frame})"
        return Case(text, subsets(kind, _EXACT.get(kind)), mode="windows")

    numbers = [*WHOLE, *FLOATS, *FEW_DECIMALS]
    for template, kind, frame in product(["sum({0})", "avg({0})"], numbers, FRAMES):
        yield over(template, kind, frame)
    for template, kind, frame in product(
        [
            "count({0})",
            "min({0})",
            "max({0})",
            "first_value({0})",
            "last_value({0})",
        ],
        FEW_KINDS,
        FRAMES,
    ):
        yield over(template, kind, frame)
    for frame in FRAMES:
        yield over("count(*)", "int", frame)
        yield over("count(DISTINCT {0})", "int", frame)
        yield over("nth_value({0}, 2)", "int", frame)
        yield from (over(f"{name}({{0}})", "boolean", frame) for name in ("bool_or", "bool_and", "count_if"))
        yield from (over("first_value({0}) IGNORE NULLS", kind, frame) for kind in ("int", "string"))
        yield from (over("last_value({0}) IGNORE NULLS", kind, frame) for kind in ("int", "string"))
    for template, kind in product(
        ["lag({0})", "lead({0})", "lag({0}, 1)", "lead({0}, 1)", "lag({0}, 2)", "lead({0}, 2)"], FEW_KINDS
    ):
        yield over(template, kind, "ORDER BY i")
    yield from (
        over(template, "int", "ORDER BY i")
        for template in ("lag({0}, 1, 0)", "lead({0}, 1, 0)", "lag({0}, 2, -1)", "lag({0}) IGNORE NULLS")
    )
    for kind in numbers:
        yield from (over(f"{name}({{0}}, 1, 0)", kind, "ORDER BY i") for name in ("lag", "lead"))
    yield from (over(template, "string", "ORDER BY i") for template in ("lag({0}, 1, 'x')", "lead({0}, 1, '')"))
    for name, kind in product(
        ("row_number()", "rank()", "dense_rank()", "percent_rank()", "cume_dist()", "ntile(4)", "ntile(2)"), ORDERED
    ):
        column = column_name("a", kind)
        for order in (column, f"{column} DESC", f"{column} NULLS LAST", f"{column} DESC NULLS FIRST"):
            # Rows with equal values are distinguished by i, except for functions that rank them equally.
            ties = "" if "rank" in name or "dist" in name else ", i"
            yield Case(f"{name} OVER (PARTITION BY j ORDER BY {order}{ties})", subsets(kind), mode="windows")
    for kind in FEW_KINDS:
        column = column_name("a", kind)
        for order in (column, f"{column} DESC", f"{column} NULLS LAST", f"{column} DESC NULLS FIRST"):
            yield Case(
                f"row_number() OVER (PARTITION BY j ORDER BY {order}, i)",
                subsets(kind),
                "order by in window",
                "windows",
            )
        yield Case(f"count(*) OVER (PARTITION BY {column})", subsets(kind), "partition by", "windows")
        yield Case(f"sum(i) OVER (ORDER BY {column}, id)", "j = 0", "order by in window", "windows")
        yield Case(f"count(*) OVER (ORDER BY {column})", "j = 0", "order by in window", "windows")
