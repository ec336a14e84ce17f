"""Aggregates, windows and whole queries: what ``cases`` cannot ask row by row."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from local.spark_sql_proof.cases import ARRAYS, DECIMALS, FLOATS, NUMBERS, PLAIN, WHOLE, Case, filled
from local.spark_sql_proof.grid import VALUES, column_name

# Sums of floating point depend on the order of the rows, on Apache Spark too, unless every sum is exact.
FEW_DECIMALS = ["decimal(10,2)", "decimal(38,18)"]
FEW_KINDS = [kind for kind in PLAIN if kind not in DECIMALS or kind in FEW_DECIMALS]
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
    """Condition that leaves to each j another part of a type's values: all, every second, … and the last none."""
    chosen = indexes or tuple(range(len(VALUES[kind])))
    return f"j < 12 AND i IN ({', '.join(map(str, chosen))}) AND (i + j) % (j + 1) = 0"


def _groups(templates: list[str], kinds: list[str], second: list[str] | None = None) -> Iterator[Case]:
    for template, kind, other in product(templates, kinds, second or [""]):
        text = filled(template, column_name("a", kind), column_name("a", other) if other else "")
        ranges = [_EXACT.get(kind), _SPECIAL[kind]] if kind in _SPECIAL else [None]
        yield from (Case(text, subsets(kind, indexes), mode="groups") for indexes in ranges)


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
    yield from (over(template, "string", "ORDER BY i") for template in ("lag({0}, 1, 'x')", "lead({0}, 1, '')"))
    for name, kind in product(
        ("row_number()", "rank()", "dense_rank()", "percent_rank()", "cume_dist()", "ntile(4)", "ntile(2)"), FEW_KINDS
    ):
        column = column_name("a", kind)
        for order in (column, f"{column} DESC", f"{column} NULLS LAST", f"{column} DESC NULLS FIRST"):
            # Rows with equal values are told apart by i, but for the functions that give them one rank.
            ties = "" if "rank" in name or "dist" in name else ", i"
            yield Case(f"{name} OVER (PARTITION BY j ORDER BY {order}{ties})", subsets(kind), mode="windows")
    for kind in FEW_KINDS:
        column = column_name("a", kind)
        yield Case(f"count(*) OVER (PARTITION BY {column})", subsets(kind), "partition by", "windows")
        yield Case(f"sum(i) OVER (ORDER BY {column}, id)", "j = 0", "order by in window", "windows")
        yield Case(f"count(*) OVER (ORDER BY {column})", "j = 0", "order by in window", "windows")


_T = "(SELECT i AS k, a_int AS n, a_string AS s, a_decimal_10_2 AS d, a_double AS x, a_date AS t FROM grid WHERE j = 0 AND i < 9)"
_U = "(SELECT b_int AS n, j AS m, b_string AS s, b_decimal_18_6 AS d FROM grid WHERE i = 0 AND j < 11)"


def queries() -> Iterator[Case]:
    """Whole queries: joins, set operations, groups, subqueries, order."""

    def query(about: str, text: str) -> Case:
        return Case(text.replace("T!", _T).replace("U!", _U), "", about, "query")

    for name in (
        "inner join",
        "left join",
        "right join",
        "full join",
        "left semi join",
        "left anti join",
        "cross join",
    ):
        words = name.upper() if name != "inner join" else "JOIN"
        on = "" if name == "cross join" else " ON a.n = b.n"
        some = "a.k, a.s" if "semi" in name or "anti" in name else "a.k, a.s, b.m, b.s AS s2"
        yield query(name, f"SELECT {some} FROM T! a {words} U! b{on}")
        if on:
            yield query(name, f"SELECT {some} FROM T! a {words} U! b ON a.n <=> b.n")
            yield query(name, f"SELECT {some} FROM T! a {words} U! b ON a.n = b.n AND b.m > 3 AND a.k < b.m")
            yield query(name, f"SELECT {some} FROM T! a {words} U! b ON a.s = b.s AND a.n = b.n")
            yield query(
                name,
                f"SELECT {some} FROM T! a {words.replace('JOIN', 'OUTER JOIN') if name in ('left join', 'right join', 'full join') else words} U! b ON a.n > b.m",
            )
    yield query("cross join", "SELECT a.k, b.m FROM T! a, U! b WHERE a.n = b.n")
    yield query("semi join", "SELECT a.k FROM T! a SEMI JOIN U! b ON a.n = b.n")
    yield query("anti join", "SELECT a.k FROM T! a ANTI JOIN U! b ON a.n = b.n")
    yield query("inner join", "SELECT n, k, m FROM T! a JOIN U! b USING (n)")
    yield query("left join", "SELECT a.n, k, m FROM T! a LEFT JOIN U! b USING (n)")
    yield query("left join", "SELECT * FROM (SELECT n, k FROM T!) a LEFT JOIN (SELECT n, m FROM U!) b USING (n)")
    yield query(
        "left join", "SELECT a.k, b.m, c.m AS m2 FROM T! a LEFT JOIN U! b ON a.n = b.n LEFT JOIN U! c ON c.n = b.n"
    )
    for kind in PLAIN:
        left = f"(SELECT i AS k, {column_name('a', kind)} AS v FROM grid WHERE j = 0 AND i < {len(VALUES[kind])})"
        right = f"(SELECT j AS m, {column_name('b', kind)} AS v FROM grid WHERE i = 0 AND j < {len(VALUES[kind])})"
        yield query("=", f"SELECT a.k, b.m FROM {left} a JOIN {right} b ON a.v = b.v")
        yield query("=", f"SELECT a.k, b.m FROM {left} a LEFT JOIN {right} b ON a.v = b.v")
        yield query("=", f"SELECT a.k FROM {left} a LEFT ANTI JOIN {right} b ON a.v = b.v")
        yield query("in query", f"SELECT a.k, a.v IN (SELECT v FROM {right}) AS c FROM {left} a")
        yield query("in query", f"SELECT a.k FROM {left} a WHERE a.v IN (SELECT v FROM {right} b WHERE b.m > 3)")
        yield query("in query", f"SELECT a.k FROM {left} a WHERE a.v NOT IN (SELECT v FROM {right} b WHERE b.m > 3)")
        yield query(
            "in query",
            f"SELECT a.k FROM {left} a WHERE a.v NOT IN (SELECT v FROM {right} b WHERE v IS NOT NULL AND b.m > 3)",
        )
        yield query(
            "group by", f"SELECT v, count(*) AS c FROM (SELECT {column_name('a', kind)} AS v FROM grid) GROUP BY v"
        )
        yield query("distinct", f"SELECT DISTINCT {column_name('a', kind)} AS v FROM grid")
        for word in ("UNION", "EXCEPT", "INTERSECT", "MINUS"):
            name = "except" if word == "MINUS" else word.lower()
            yield query(
                f"{name} distinct", f"SELECT v FROM {left} WHERE k % 2 = 0 {word} SELECT v FROM {right} WHERE m % 3 = 0"
            )
        for order in (
            "",
            " ASC",
            " DESC",
            " NULLS FIRST",
            " NULLS LAST",
            " ASC NULLS LAST",
            " DESC NULLS FIRST",
            " DESC NULLS LAST",
        ):
            yield query("order by", f"SELECT k, v FROM {left} ORDER BY v{order}, k")
            yield query("order by", f"SELECT k, v FROM {left} ORDER BY v{order}, k LIMIT 3")
    pairs = [(a, b) for a, b in product(NUMBERS, NUMBERS)] + [
        (kind, kind) for kind in [*PLAIN, *ARRAYS] if kind not in NUMBERS
    ]
    pairs += [
        ("date", "timestamp"),
        ("timestamp", "date"),
        ("string", "int"),
        ("int", "string"),
        ("string", "date"),
        ("string", "double"),
    ]
    for one, other in pairs:
        a, b = column_name("a", one), column_name("b", other)
        sides = f"SELECT {a} AS v FROM grid WHERE j = 0", f"SELECT {b} FROM grid WHERE i = 0"
        yield query("union", f"{sides[0]} UNION ALL {sides[1]}")
        if one in NUMBERS and other in NUMBERS:
            yield query("union distinct", f"{sides[0]} UNION {sides[1]}")
    for kind in [*PLAIN, *ARRAYS]:
        side = f"SELECT {column_name('a', kind)} AS v FROM grid WHERE j = 0"
        yield query("union", f"{side} UNION ALL SELECT NULL")
        yield query("union", f"SELECT NULL AS v UNION ALL {side}")
        yield query("union distinct", f"{side} UNION SELECT NULL")
    for word in ("UNION ALL", "EXCEPT ALL", "INTERSECT ALL"):
        yield query(word.lower(), f"SELECT n, s FROM T! {word} SELECT n, s FROM U!")
    for word in ("UNION", "EXCEPT", "INTERSECT", "MINUS"):
        yield query("except" if word == "MINUS" else word.lower(), f"SELECT n, s FROM T! {word} SELECT n, s FROM U!")
    yield query("union all by name", "SELECT n, s FROM T! UNION ALL BY NAME SELECT s, n FROM U!")
    for form in ("ROLLUP (g, h)", "CUBE (g, h)", "GROUPING SETS ((g), (h), (g, h), ())", "ROLLUP (g), h"):
        about = form.split(" (")[0].lower().replace(" ", "")
        inner = "(SELECT k % 2 AS g, n > 0 AS h, n, d FROM T!)"
        yield query(about, f"SELECT g, h, count(*) AS c, sum(d) AS q FROM {inner} GROUP BY {form}")
        yield query(
            "grouping",
            f"SELECT g, grouping(g) AS q, count(*) AS c FROM (SELECT k % 2 AS g, n > 0 AS h FROM T!) GROUP BY {form}",
        )
        yield query(
            "grouping_id",
            f"SELECT g, h, grouping_id() AS q, count(*) AS c FROM (SELECT k % 2 AS g, n > 0 AS h FROM T!) GROUP BY {form}",
        )
    yield query("group by all", "SELECT k % 2 AS g, count(*) AS c FROM T! GROUP BY ALL")
    yield query("having", "SELECT k % 2 AS g, count(*) AS c FROM T! GROUP BY k % 2 HAVING count(*) > 4")
    yield query("having", "SELECT k % 2 AS g, count(*) AS c FROM T! GROUP BY 1 HAVING c > 4")
    yield query("having", "SELECT sum(n) AS c FROM T! WHERE k < 3 HAVING count(*) > 100")
    yield query(
        "filter (where)", "SELECT count(*) FILTER (WHERE n > 0) AS c, sum(k) FILTER (WHERE n IS NULL) AS q FROM T!"
    )
    yield query("qualify", "SELECT k, n FROM T! QUALIFY row_number() OVER (PARTITION BY k % 2 ORDER BY k) = 1")
    yield query("limit", "SELECT k FROM T! ORDER BY k LIMIT 3")
    yield query("offset", "SELECT k FROM T! ORDER BY k LIMIT 3 OFFSET 2")
    yield query(
        "with", "WITH a AS (SELECT k, n FROM T!), b AS (SELECT k FROM a WHERE n > 0) SELECT * FROM b JOIN a USING (k)"
    )
    yield query("with", "WITH a (p, q) AS (SELECT k, n FROM T!) SELECT p, q FROM a")
    yield query(
        "scalar subquery", "SELECT k, (SELECT max(m) FROM U!) AS c, (SELECT m FROM U! WHERE m > 100) AS q FROM T!"
    )
    yield query("scalar subquery", "SELECT k, (SELECT max(b.m) FROM U! b WHERE b.n = a.n) AS c FROM T! a")
    yield query("scalar subquery", "SELECT k, (SELECT count(*) FROM U! b WHERE b.n = a.n) AS c FROM T! a")
    yield query("exists", "SELECT k FROM T! a WHERE EXISTS (SELECT 1 FROM U! b WHERE b.n = a.n)")
    yield query("exists", "SELECT k FROM T! a WHERE NOT EXISTS (SELECT 1 FROM U! b WHERE b.n = a.n)")
    yield query("exists", "SELECT k, EXISTS (SELECT 1 FROM U! b WHERE b.m = 2) AS c FROM T! a")
    yield query("window clause", "SELECT k, sum(k) OVER w AS c FROM T! WINDOW w AS (PARTITION BY k % 2 ORDER BY k)")
    yield query("range", "SELECT id FROM range(5)")
    yield query("star except", "SELECT * EXCEPT (n, s) FROM T!")
    yield query(
        "pivot", "SELECT * FROM (SELECT k % 2 AS g, s, k FROM T!) PIVOT (sum(k) FOR s IN ('abc' AS a, 'A' AS b))"
    )
    yield query(
        "pivot",
        "SELECT * FROM (SELECT k % 2 AS g, n, k FROM T!) PIVOT (max(k) AS m, count(k) AS c FOR n IN (1 AS one, 0 AS none))",
    )
    yield query("lateral view", "SELECT k, v FROM T! LATERAL VIEW explode(array(k, n)) e AS v")
    yield query("lateral view", "SELECT k, p, v FROM T! LATERAL VIEW posexplode(split(s, ',')) e AS p, v")
    yield query(
        "lateral view outer", "SELECT i, v FROM grid LATERAL VIEW OUTER explode(a_array_int) e AS v WHERE j = 0"
    )
    for kind in [*ARRAYS, "map<string,int>"]:
        for name in ("explode", "explode_outer", "posexplode", "posexplode_outer"):
            yield query(name, f"SELECT i, {name}({column_name('a', kind)}) FROM grid WHERE j = 0")
    yield query("stack", "SELECT stack(2, 1, 'a', 2, 'b') AS (x, y)")
    yield query("lateral subquery", "SELECT a.k, l.c FROM T! a CROSS JOIN LATERAL (SELECT a.k + 1 AS c) l")
    yield query("unpivot", "SELECT * FROM (SELECT k, n FROM T!) UNPIVOT (v FOR name IN (n))")
    yield query("map", "SELECT map('a', k, 'b', n) AS m FROM T!")
    yield query("struct", "SELECT struct(k AS a, s AS b) AS m FROM T!")
    yield query("named_struct", "SELECT named_struct('a', k, 'b', s) AS m FROM T!")


QUERY_FAMILIES = {"aggregates": aggregates, "windows": windows, "queries": queries}
