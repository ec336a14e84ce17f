"""Aggregates, GROUP BY and its extensions, DISTINCT, and set operators."""

from __future__ import annotations

from datetime import date

from tests.unit.midnight.gold_to_serving.tsql_answers.corpus import ERROR, UNPROVED, Construct, D, construct

F = "t-sql/functions"
GROUP_BY = "t-sql/queries/select-group-by-transact-sql"
EQUALS = "t-sql/language-elements/string-comparison-assignment"


def total(expression: str, source: str = "gold.numbers") -> str:
    return f"SELECT {expression} AS x FROM {source}"


def values(*items: str) -> str:
    return f"(VALUES {', '.join(f'({item})' for item in items)}) AS v (x)"


CONSTRUCTS: list[Construct] = [
    construct(
        "COUNT",
        f"{F}/count-transact-sql",
        (total("COUNT(*)"), [(5,)], "int"),
        (total("COUNT(i)"), [(4,)], "int"),
        (total("COUNT(DISTINCT s)"), [(4,)], "int"),
        (total("COUNT(*)") + " WHERE i > 100000 AND i < 0", [(0,)]),
        (total("COUNT_BIG(*)"), [(5,)], "bigint"),
    ),
    construct(
        "COUNT(DISTINCT text)",
        EQUALS,
        (total("COUNT(DISTINCT t)", "gold.texts"), [(6,)], "int"),
        (total("COUNT(DISTINCT product)", "gold.sale"), [(3,)]),
    ),
    construct(
        "SUM",
        f"{F}/sum-transact-sql",
        (total("SUM(i)") + " WHERE id < 5", [(0,)], "int"),
        (total("SUM(s)"), [(32767,)], "int"),
        (total("SUM(n)") + " WHERE id < 5", [(8999999995,)], "bigint"),
        (total("SUM(n)"), ERROR),
        (total("SUM(d)"), [(D("10000.4999"),)], "decimal(38,4)"),
        (total("SUM(m)"), [(D("100000019.93"),)], "decimal(38,2)"),
        (total("SUM(f)") + " WHERE id IN (2, 3)", [(-0.4,)], "float"),
        (total("SUM(i)") + " WHERE id = 4", [(None,)]),
        (total("SUM(i)") + " WHERE id > 99", [(None,)]),
        (total("SUM(b)"), ERROR),
        (total("SUM(x)", values("2147483647", "1")), ERROR),
        (total("SUM(CAST(x AS BIGINT))", values("2147483647", "1")), [(2147483648,)], "bigint"),
        (total("SUM(DISTINCT x)", values("1", "1", "2")), [(3,)], "int"),
        (total("SUM(t)", "gold.texts"), ERROR),
        (
            "SELECT SUM((SELECT MAX(s.pieces) FROM gold.sale AS s WHERE s.shop_id = h.id)) AS x FROM gold.shop AS h",
            ERROR,
        ),
        ("SELECT SUM(MAX(i)) AS x FROM gold.numbers", ERROR),
    ),
    construct(
        "SUM of CASE",
        f"{F}/sum-transact-sql",
        (total("SUM(CASE WHEN i > 0 THEN 1 ELSE 0 END)"), [(2,)], "int"),
        (total("SUM(IIF(b = 1, m, 0))"), [(D("100000019.98"),)]),
    ),
    construct(
        "AVG of integers",
        f"{F}/avg-transact-sql",
        (total("AVG(x)", values("1", "2", "2")), [(1,)], "int"),
        (total("AVG(x)", values("-1", "-2", "-2")), [(-1,)], "int"),
        (total("AVG(s)"), [(8191,)], "int"),
        (
            total("AVG(x)", values("CAST(5000000000 AS BIGINT)", "CAST(5000000001 AS BIGINT)")),
            [(5000000000,)],
            "bigint",
        ),
    ),
    construct(
        "AVG of decimals",
        f"{F}/avg-transact-sql",
        (total("AVG(amount)", "gold.sale"), [(D("11.054000"),)], "decimal(38,6)"),
        (total("AVG(x)", values("1.00", "2.00", "2.00")), [(D("1.666666"),)], "decimal(38,6)"),
        (total("AVG(CAST(x AS DECIMAL(12,8)))", values("1", "2")), [(D("1.50000000"),)], "decimal(38,8)"),
        (total("AVG(m)") + " WHERE id = 4", [(None,)]),
    ),
    construct(
        "AVG of floats",
        f"{F}/avg-transact-sql",
        (total("AVG(CAST(i AS FLOAT))") + " WHERE id < 4", [(0.0,)], "float"),
        (total("AVG(1.0 * x)", values("1", "2", "2")), [(D("1.666666"),)]),
    ),
    construct(
        "MIN and MAX",
        f"{F}/max-transact-sql",
        (total("MIN(i)"), [(-7,)], "int"),
        (total("MAX(d)"), [(D("9999.9999"),)], "decimal(8,4)"),
        (total("MAX(u)", "gold.texts"), [("x",)]),
        (total("MIN(day)", "gold.moments"), [(date(1900, 1, 1),)], "date"),
        (total("MAX(b)"), ERROR),
    ),
    construct(
        "STDEV and VAR",
        f"{F}/stdev-transact-sql",
        (total("STDEV(x)", values("2", "4", "4", "4", "5", "5", "7", "9")), [(2.138089935299395,)], "float"),
        (total("STDEVP(x)", values("2", "4", "4", "4", "5", "5", "7", "9")), [(2.0,)], "float"),
        (total("VAR(x)", values("1", "2", "3", "4")), [(1.6666666666666667,)], "float"),
        (total("VARP(x)", values("1", "2", "3", "4")), [(1.25,)], "float"),
        (total("STDEV(x)", values("5")), [(None,)]),
        (total("STDEVP(x)", values("5")), [(0.0,)]),
    ),
    construct(
        "STRING_AGG",
        f"{F}/string-agg-transact-sql",
        (total("STRING_AGG(name, ', ') WITHIN GROUP (ORDER BY name)", "gold.shop"), [("Empty, Nova, Nørre, Søndre",)]),
        (total("STRING_AGG(name, '-') WITHIN GROUP (ORDER BY id DESC)", "gold.shop"), [("Empty-Nova-Søndre-Nørre",)]),
        (total("STRING_AGG(region, ',') WITHIN GROUP (ORDER BY id)", "gold.shop"), [("north,south,north ",)]),
        (total("STRING_AGG(CAST(i AS VARCHAR(11)), ',') WITHIN GROUP (ORDER BY i)"), [("-7,0,7,2147483647",)]),
        (total("STRING_AGG(name, ',')", "gold.shop") + " WHERE id > 9", [(None,)]),
        (total("STRING_AGG(DISTINCT name, ',')", "gold.shop"), ERROR),
        (
            "SELECT region, STRING_AGG(name, '+') WITHIN GROUP (ORDER BY name) AS x FROM gold.shop "
            "WHERE region IS NOT NULL GROUP BY region HAVING COUNT(*) = 1",
            [("south", "Søndre")],
        ),
    ),
    construct(
        "APPROX_COUNT_DISTINCT",
        f"{F}/approx-count-distinct-transact-sql",
        (total("APPROX_COUNT_DISTINCT(x)", values("1")), [(1,)], "bigint"),
    ),
    construct("CHECKSUM_AGG", f"{F}/checksum-agg-transact-sql", (total("CHECKSUM_AGG(i)"), ERROR)),
    construct(
        "GROUP BY",
        GROUP_BY,
        (
            "SELECT shop_id, COUNT(*) AS n, SUM(pieces) AS p FROM gold.sale GROUP BY shop_id",
            [(1, 2, 3), (2, 2, 5), (3, 1, 4), (None, 1, 3)],
        ),
        (
            "SELECT YEAR(day) * 100 + MONTH(day) AS m, SUM(amount) AS x FROM gold.sale "
            "GROUP BY YEAR(day) * 100 + MONTH(day)",
            [(202401, D("37.50")), (202402, D("10.00")), (202403, D("7.77"))],
        ),
        ("SELECT shop_id, COUNT(*) AS n FROM gold.sale GROUP BY shop_id HAVING COUNT(*) > 1", [(1, 2), (2, 2)]),
        ("SELECT shop_id, day, COUNT(*) AS n FROM gold.sale GROUP BY shop_id", ERROR),
        ("SELECT shop_id AS s, COUNT(*) AS n FROM gold.sale GROUP BY s", ERROR),
        (
            "SELECT CONVERT(VARCHAR(6), day, 112) AS m, COUNT(*) AS n FROM gold.sale "
            "GROUP BY CONVERT(VARCHAR(6), day, 112)",
            [("202401", 3), ("202402", 2), ("202403", 1)],
        ),
    ),
    construct(
        "GROUP BY text",
        EQUALS,
        (
            "SELECT MIN(LEN(product)) AS n, COUNT(*) AS x FROM gold.sale GROUP BY product",
            [(3, 3), (4, 2), (3, 1)],
        ),
        ("SELECT COUNT(*) AS x FROM gold.shop GROUP BY region", [(2,), (1,), (1,)]),
    ),
    construct(
        "GROUPING SETS",
        GROUP_BY,
        (
            "SELECT shop_id, MONTH(day) AS m, SUM(pieces) AS p FROM gold.sale WHERE shop_id = 1 "
            "GROUP BY GROUPING SETS ((shop_id, MONTH(day)), (shop_id), ())",
            [(1, 1, 3), (1, None, 3), (None, None, 3)],
        ),
    ),
    construct(
        "ROLLUP",
        GROUP_BY,
        (
            "SELECT shop_id, MONTH(day) AS m, COUNT(*) AS n FROM gold.sale WHERE shop_id = 2 "
            "GROUP BY ROLLUP (shop_id, MONTH(day))",
            [(2, 1, 1), (2, 2, 1), (2, None, 2), (None, None, 2)],
        ),
        (
            "SELECT shop_id, COUNT(*) AS n FROM gold.sale WHERE shop_id < 3 GROUP BY shop_id WITH ROLLUP",
            [(1, 2), (2, 2), (None, 4)],
        ),
    ),
    construct(
        "CUBE",
        GROUP_BY,
        (
            "SELECT shop_id, MONTH(day) AS m, COUNT(*) AS n FROM gold.sale WHERE shop_id = 2 "
            "GROUP BY CUBE (shop_id, MONTH(day))",
            [(2, 1, 1), (2, 2, 1), (2, None, 2), (None, 1, 1), (None, 2, 1), (None, None, 2)],
        ),
    ),
    construct(
        "GROUPING and GROUPING_ID",
        f"{F}/grouping-id-transact-sql",
        (
            "SELECT shop_id, GROUPING(shop_id) AS g, COUNT(*) AS n FROM gold.sale WHERE shop_id < 3 "
            "GROUP BY ROLLUP (shop_id)",
            [(1, 0, 2), (2, 0, 2), (None, 1, 4)],
        ),
        (
            "SELECT GROUPING_ID(shop_id, product) AS g, COUNT(*) AS n FROM gold.sale WHERE shop_id = 1 "
            "GROUP BY GROUPING SETS ((shop_id, product), (shop_id), ())",
            [(0, 1), (0, 1), (1, 2), (3, 2)],
        ),
    ),
    construct(
        "DISTINCT",
        EQUALS,
        ("SELECT COUNT(*) AS n FROM (SELECT DISTINCT product FROM gold.sale) AS d", [(3,)]),
        ("SELECT DISTINCT shop_id FROM gold.sale", [(1,), (2,), (3,), (None,)]),
    ),
    construct(
        "UNION and UNION ALL",
        "t-sql/language-elements/set-operators-union-transact-sql",
        ("SELECT 1 AS x UNION SELECT 1 UNION SELECT 2", [(1,), (2,)], "int"),
        ("SELECT 1 AS x UNION ALL SELECT 1", [(1,), (1,)]),
        ("SELECT 1 AS x UNION ALL SELECT 2.5", [(D("1.0"),), (D("2.5"),)]),
        ("SELECT COUNT(*) AS n FROM (SELECT 'ab' AS x UNION SELECT 'ab  ') AS u", [(1,)]),
        ("SELECT 1 AS x UNION ALL SELECT 'a'", ERROR),
        ("SELECT CAST(1 AS DECIMAL(38,2)) AS x UNION ALL SELECT CAST(1.555 AS DECIMAL(38,18))", UNPROVED),
        ("SELECT NULL AS x UNION SELECT NULL", [(None,)]),
    ),
    construct(
        "EXCEPT and INTERSECT",
        "t-sql/language-elements/set-operators-except-and-intersect-transact-sql",
        ("SELECT id FROM gold.shop EXCEPT SELECT shop_id FROM gold.sale", [(4,)]),
        ("SELECT id FROM gold.shop INTERSECT SELECT shop_id FROM gold.sale", [(1,), (2,), (3,)]),
        ("SELECT COUNT(*) AS n FROM (SELECT 'ab' AS x EXCEPT SELECT 'ab  ') AS u", [(0,)]),
        ("SELECT shop_id FROM gold.sale EXCEPT SELECT id FROM gold.shop", [(None,)]),
        # INTERSECT binds first, the others from left to right
        ("SELECT 2 AS x EXCEPT SELECT id FROM gold.sale INTERSECT SELECT 3", [(2,)]),
        ("SELECT id FROM gold.shop UNION ALL SELECT id FROM gold.shop EXCEPT SELECT 1", [(2,), (3,), (4,)]),
    ),
]
