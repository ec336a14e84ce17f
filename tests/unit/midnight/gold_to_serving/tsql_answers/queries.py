"""TOP, OFFSET, subqueries, common table expressions, and what a view cannot contain."""

from __future__ import annotations

from tests.unit.midnight.gold_to_serving.tsql_answers.corpus import ERROR, Construct, D, construct

Q = "t-sql/queries"
FROM = f"{Q}/from-transact-sql"

CONSTRUCTS: list[Construct] = [
    construct(
        "TOP",
        f"{Q}/top-transact-sql",
        ("SELECT TOP (2) id FROM gold.sale ORDER BY id DESC", [(6,), (5,)]),
        ("SELECT TOP 1 id, pieces FROM gold.sale ORDER BY pieces, id", [(4, None)]),
        ("SELECT TOP (0) id FROM gold.sale ORDER BY id", []),
        ("SELECT TOP (1) product FROM gold.sale ORDER BY product", [("jam",)]),
        ("SELECT DISTINCT TOP (2) shop_id FROM gold.sale ORDER BY shop_id", [(None,), (1,)]),
    ),
    construct(
        "TOP PERCENT",
        f"{Q}/top-transact-sql",
        ("SELECT TOP (50) PERCENT id FROM gold.sale ORDER BY id", [(1,), (2,), (3,)]),
        ("SELECT TOP (10) PERCENT id FROM gold.sale ORDER BY id", [(1,)]),
        ("SELECT TOP (34) PERCENT id FROM gold.sale ORDER BY id", [(1,), (2,), (3,)]),
    ),
    construct(
        "TOP WITH TIES",
        f"{Q}/top-transact-sql",
        ("SELECT TOP (2) WITH TIES id FROM gold.sale ORDER BY day", [(1,), (2,), (3,)]),
        (
            "SELECT TOP (2) WITH TIES id, amount FROM gold.sale ORDER BY amount DESC",
            [(3, D("25.00")), (1, D("10.00")), (5, D("10.00"))],
        ),
        ("SELECT TOP (2) WITH TIES id FROM gold.sale", ERROR),
    ),
    construct(
        "OFFSET FETCH",
        f"{Q}/select-order-by-clause-transact-sql",
        ("SELECT id FROM gold.sale ORDER BY id OFFSET 2 ROWS FETCH NEXT 2 ROWS ONLY", [(3,), (4,)]),
        ("SELECT id FROM gold.sale ORDER BY id OFFSET 4 ROWS", [(5,), (6,)]),
        ("SELECT id FROM gold.sale ORDER BY pieces OFFSET 0 ROWS FETCH FIRST 1 ROW ONLY", [(4,)]),
        ("SELECT id FROM gold.sale OFFSET 2 ROWS", ERROR),
    ),
    construct(
        "ORDER BY in a view",
        f"{Q}/select-order-by-clause-transact-sql",
        ("SELECT id FROM gold.sale ORDER BY id", ERROR),
        ("SELECT d.id FROM (SELECT id FROM gold.sale ORDER BY id) AS d", ERROR),
    ),
    construct(
        "order of text",
        "relational-databases/collations/collation-and-unicode-support",
        ("SELECT TOP (1) v.x FROM (VALUES ('a'), ('B'), ('ä')) AS v (x) ORDER BY v.x", [("B",)]),
        ("SELECT TOP (1) v.x FROM (VALUES ('a'), ('B'), ('ä')) AS v (x) ORDER BY v.x DESC", [("ä",)]),
    ),
    construct(
        "subquery as a value",
        "relational-databases/performance/subqueries",
        (
            "SELECT h.id, (SELECT MAX(s.pieces) FROM gold.sale AS s WHERE s.shop_id = h.id) AS x FROM gold.shop AS h",
            [(1, 2), (2, 5), (3, 4), (4, None)],
        ),
        ("SELECT (SELECT s.id FROM gold.sale AS s) AS x FROM gold.one", ERROR),
    ),
    construct(
        "IN subquery",
        "t-sql/language-elements/in-transact-sql",
        ("SELECT id FROM gold.shop WHERE id IN (SELECT shop_id FROM gold.sale)", [(1,), (2,), (3,)]),
        ("SELECT id FROM gold.shop WHERE id NOT IN (SELECT shop_id FROM gold.sale)", []),
        ("SELECT id FROM gold.shop WHERE id NOT IN (SELECT shop_id FROM gold.sale WHERE shop_id IS NOT NULL)", [(4,)]),
        ("SELECT COUNT(*) AS n FROM gold.texts WHERE t IN (SELECT u FROM gold.texts)", [(3,)]),
    ),
    construct(
        "ALL, ANY and SOME",
        "t-sql/language-elements/all-transact-sql",
        (
            "SELECT id FROM gold.sale WHERE pieces >= ALL (SELECT pieces FROM gold.sale WHERE pieces IS NOT NULL)",
            [(3,)],
        ),
        ("SELECT id FROM gold.shop WHERE id = ANY (SELECT shop_id FROM gold.sale)", [(1,), (2,), (3,)]),
    ),
    construct(
        "WITH",
        f"{Q}/with-common-table-expression-transact-sql",
        ("WITH big AS (SELECT id, pieces FROM gold.sale WHERE pieces > 2) SELECT COUNT(*) AS n FROM big", [(3,)]),
        ("WITH a AS (SELECT id FROM gold.sale), b (x) AS (SELECT MAX(id) FROM a) SELECT x FROM b", [(6,)]),
        ("WITH n AS (SELECT 1 AS x UNION ALL SELECT x + 1 FROM n WHERE x < 4) SELECT SUM(x) AS x FROM n", [(10,)]),
    ),
    construct(
        "derived table",
        FROM,
        (
            "SELECT d.m, d.n FROM (SELECT MONTH(day) AS m, COUNT(*) AS n FROM gold.sale GROUP BY MONTH(day)) AS d "
            "WHERE d.n > 1",
            [(1, 3), (2, 2)],
        ),
        ("SELECT x FROM (SELECT 1 AS x)", ERROR),
    ),
    construct(
        "quoted names",
        "relational-databases/databases/database-identifiers",
        ('SELECT [s].[id] AS [the id], s."pieces" FROM [gold].[sale] AS [s] WHERE [s].[id] = 1', [(1, 2)]),
        ("SELECT x = 1, y = 'a' FROM gold.one", [(1, "a")]),
        ("SELECT S.id FROM gold.sale AS s", ERROR),
    ),
    construct(
        "WHERE",
        f"{Q}/where-transact-sql",
        ("SELECT id FROM gold.sale WHERE pieces <> 2", [(2,), (3,), (5,), (6,)]),
        ("SELECT id FROM gold.sale WHERE amount > 9.99 AND day < '2024-02-01'", [(1,), (3,)]),
        ("SELECT id FROM gold.sale WHERE product = 'tea'", [(1,), (3,), (4,)]),
        ("SELECT id FROM gold.sale WHERE pieces", ERROR),
    ),
    construct(
        "what a view cannot hold",
        "t-sql/statements/create-view-transact-sql",
        ("SELECT * FROM gold.sale", ERROR),
        ("SELECT id, id FROM gold.sale", ERROR),
        ("SELECT id + 1 FROM gold.sale", ERROR),
        ("SELECT id INTO #t FROM gold.sale", ERROR),
        ("SELECT id FROM gold.sale OPTION (MAXDOP 1)", ERROR),
        ("SELECT @x AS x", ERROR),
    ),
    construct(
        "what T-SQL does not know",
        f"{Q}/select-transact-sql",
        ("SELECT id FROM gold.sale LIMIT 3", ERROR),
        ("SELECT id::INT AS x FROM gold.sale", ERROR),
        ("SELECT product || 'x' AS x FROM gold.sale", ERROR),
        ("SELECT id FROM gold.sale WHERE TRUE", ERROR),
        ("SELECT id FROM gold.sale QUALIFY ROW_NUMBER() OVER (ORDER BY id) = 1", ERROR),
        ("SELECT STRFTIME(day, '%Y') AS x FROM gold.sale", ERROR),
        ("SELECT product ILIKE 't%' AS x FROM gold.sale", ERROR),
        ("SELECT LENGTH(product) AS x FROM gold.sale", ERROR),
        ("SELECT SUBSTR(product, 1, 2) AS x FROM gold.sale", ERROR),
        ("SELECT DATE_TRUNC('month', day) AS x FROM gold.sale", ERROR),
        ("SELECT NOW() AS x FROM gold.sale", ERROR),
        ("SELECT COUNT(*) FILTER (WHERE id > 1) AS x FROM gold.sale", ERROR),
        ("SELECT pieces FROM gold.sale GROUP BY ALL", ERROR),
        ("SELECT EXTRACT(YEAR FROM day) AS x FROM gold.sale", ERROR),
        ("SELECT day - INTERVAL '1' DAY AS x FROM gold.sale", ERROR),
        ("SELECT id FROM gold.sale ORDER BY id NULLS FIRST OFFSET 1 ROWS", ERROR),
        ("SELECT NTH_VALUE(id, 2) OVER (ORDER BY id) AS x FROM gold.sale", ERROR),
        ("SELECT MEDIAN(pieces) AS x FROM gold.sale", ERROR),
        ("SELECT id FROM gold.sale WHERE product SIMILAR TO 't%'", ERROR),
        ("SELECT LPAD(product, 10, 'x') AS x FROM gold.sale", ERROR),
        ("SELECT GROUP_CONCAT(product) AS x FROM gold.sale", ERROR),
        ("SELECT IFNULL(pieces, 0) AS x FROM gold.sale", ERROR),
        ("SELECT NVL(pieces, 0) AS x FROM gold.sale", ERROR),
        ("SELECT IF(pieces > 1, 1, 0) AS x FROM gold.sale", ERROR),
        ("SELECT TRUNC(amount) AS x FROM gold.sale", ERROR),
        ("SELECT MOD(pieces, 2) AS x FROM gold.sale", ERROR),
    ),
]
