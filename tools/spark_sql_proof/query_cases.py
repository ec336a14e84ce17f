"""Whole queries: joins, set operations, groups, subqueries, order."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from tools.spark_sql_proof.cases import ARRAYS, NUMBERS, PLAIN, Case
from tools.spark_sql_proof.grid import VALUES, column_name

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
    yield query("inner join using", "SELECT n, k, m FROM T! a JOIN U! b USING (n)")
    yield query("left join using", "SELECT a.n, k, m FROM T! a LEFT JOIN U! b USING (n)")
    yield query("left join using", "SELECT * FROM (SELECT n, k FROM T!) a LEFT JOIN (SELECT n, m FROM U!) b USING (n)")
    yield query(
        "left join", "SELECT a.k, b.m, c.m AS m2 FROM T! a LEFT JOIN U! b ON a.n = b.n LEFT JOIN U! c ON c.n = b.n"
    )
    for kind in PLAIN:
        left = f"(SELECT i AS k, {column_name('a', kind)} AS v FROM grid WHERE j = 0 AND i < {len(VALUES[kind])})"
        right = f"(SELECT j AS m, {column_name('b', kind)} AS v FROM grid WHERE i = 0 AND j < {len(VALUES[kind])})"
        yield query("=", f"SELECT a.k, b.m FROM {left} a JOIN {right} b ON a.v = b.v")
        yield query("=", f"SELECT a.k, b.m FROM {left} a LEFT JOIN {right} b ON a.v = b.v")
        yield query("=", f"SELECT a.k FROM {left} a LEFT ANTI JOIN {right} b ON a.v = b.v")
        yield query("in query as value", f"SELECT a.k, a.v IN (SELECT v FROM {right}) AS c FROM {left} a")
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
    for form in ("ROLLUP (g, h)", "CUBE (g, h)", "GROUPING SETS ((g), (h), (g, h), ())"):
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
