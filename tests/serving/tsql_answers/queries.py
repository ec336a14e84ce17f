"""Joins, APPLY, PIVOT, TOP, subqueries, common table expressions, and JSON."""

from __future__ import annotations

from datetime import date

from tests.serving.tsql_answers.corpus import ERROR, Construct, D, construct

Q = "t-sql/queries"
FROM = f"{Q}/from-transact-sql"
PIVOT = f"{Q}/from-using-pivot-and-unpivot"
EQUALS = "t-sql/language-elements/string-comparison-assignment"

CONSTRUCTS: list[Construct] = [
    construct(
        "INNER JOIN",
        FROM,
        (
            "SELECT s.id, h.name FROM gold.sale AS s INNER JOIN gold.shop AS h ON h.id = s.shop_id WHERE s.pieces > 3",
            [(3, "Søndre"), (5, "Nova")],
        ),
        (
            "SELECT s.id FROM gold.sale s JOIN gold.shop h ON h.id = s.shop_id AND h.region = 'north'",
            [(1,), (2,), (5,)],
        ),
    ),
    construct(
        "LEFT JOIN",
        FROM,
        (
            "SELECT h.id, COUNT(s.id) AS n FROM gold.shop AS h LEFT JOIN gold.sale AS s "
            "ON s.shop_id = h.id GROUP BY h.id",
            [(1, 2), (2, 2), (3, 1), (4, 0)],
        ),
        (
            "SELECT s.id, h.name FROM gold.shop AS h RIGHT OUTER JOIN gold.sale AS s "
            "ON s.shop_id = h.id WHERE s.id > 4",
            [(5, "Nova"), (6, None)],
        ),
    ),
    construct(
        "FULL JOIN",
        FROM,
        (
            "SELECT h.id AS h, s.id AS s FROM gold.shop AS h FULL OUTER JOIN gold.sale AS s ON s.shop_id = h.id "
            "WHERE h.id IS NULL OR s.id IS NULL",
            [(4, None), (None, 6)],
        ),
    ),
    construct(
        "JOIN on a condition",
        FROM,
        (
            "SELECT a.id AS a, b.id AS b FROM gold.shop a FULL JOIN gold.sale b ON b.shop_id > a.id AND b.pieces > 4 "
            "WHERE b.id IS NULL OR b.id < 4",
            [(1, 3), (None, 1), (None, 2), (2, None), (3, None), (4, None)],
        ),
        (
            "SELECT a.id, b.id AS b FROM gold.shop a LEFT JOIN gold.sale b "
            "ON b.id = (SELECT MIN(c.id) FROM gold.sale c WHERE c.shop_id = a.id)",
            [(1, 1), (2, 3), (3, 5), (4, None)],
        ),
        (
            "SELECT a.id, b.id AS b FROM gold.shop a LEFT JOIN gold.sale b "
            "ON b.day BETWEEN '2024-01-10' AND '2024-01-31' AND b.shop_id = a.id",
            [(1, 2), (2, 3), (3, None), (4, None)],
        ),
        (
            "SELECT s.id FROM gold.sale s LEFT JOIN gold.shop h INNER JOIN gold.one o ON o.id = h.id "
            "ON h.id = s.shop_id WHERE s.id < 3",
            [(1,), (2,)],
        ),
    ),
    construct(
        "CROSS JOIN",
        FROM,
        ("SELECT COUNT(*) AS n FROM gold.shop AS a CROSS JOIN gold.shop AS b", [(16,)]),
        ("SELECT COUNT(*) AS n FROM gold.shop AS a, gold.shop AS b", [(16,)]),
    ),
    construct(
        "JOIN on texts",
        EQUALS,
        ("SELECT COUNT(*) AS n FROM gold.sale AS a INNER JOIN gold.sale AS b ON a.product = b.product", [(14,)]),
        ("SELECT COUNT(*) AS n FROM gold.texts AS a INNER JOIN gold.texts AS b ON a.t = b.u", [(3,)]),
    ),
    construct(
        "NATURAL JOIN and USING",
        FROM,
        ("SELECT COUNT(*) AS n FROM gold.sale JOIN gold.shop USING (id)", ERROR),
        ("SELECT COUNT(*) AS n FROM gold.sale NATURAL JOIN gold.shop", ERROR),
    ),
    construct(
        "CROSS APPLY VALUES",
        FROM,
        (
            "SELECT s.id, v.k, v.val FROM gold.sale AS s CROSS APPLY "
            "(VALUES ('pieces', s.pieces), ('shop', s.shop_id)) AS v (k, val) WHERE s.id = 1",
            [(1, "pieces", 2), (1, "shop", 1)],
        ),
        (
            "SELECT s.id, v.val FROM gold.sale AS s CROSS APPLY (VALUES (s.pieces * 2)) AS v (val) WHERE v.val > 6",
            [(3, 10), (5, 8)],
        ),
    ),
    construct(
        "CROSS APPLY SELECT",
        FROM,
        (
            "SELECT h.id, l.day FROM gold.shop AS h CROSS APPLY (SELECT TOP (1) s.day FROM gold.sale AS s "
            "WHERE s.shop_id = h.id ORDER BY s.day DESC) AS l",
            [(1, date(2024, 1, 20)), (2, date(2024, 2, 1)), (3, date(2024, 2, 29))],
        ),
    ),
    construct(
        "OUTER APPLY",
        FROM,
        (
            "SELECT h.id, l.n FROM gold.shop AS h OUTER APPLY (SELECT SUM(s.pieces) AS n FROM gold.sale AS s "
            "WHERE s.shop_id = h.id) AS l",
            [(1, 3), (2, 5), (3, 4), (4, None)],
        ),
        (
            "SELECT h.id, l.id AS s FROM gold.shop AS h OUTER APPLY (SELECT TOP (1) s.id FROM gold.sale AS s "
            "WHERE s.shop_id = h.id ORDER BY s.id) AS l",
            [(1, 1), (2, 3), (3, 5), (4, None)],
        ),
    ),
    construct(
        "APPLY with more than a SELECT",
        FROM,
        (
            "SELECT h.id, t.id AS s FROM gold.shop h CROSS APPLY (SELECT TOP (1) WITH TIES s.id FROM gold.sale s "
            "WHERE s.shop_id = h.id ORDER BY s.amount DESC) t",
            [(1, 1), (2, 3), (3, 5)],
        ),
        (
            "SELECT h.id, t.id AS s FROM gold.shop h CROSS APPLY (SELECT s.id FROM gold.sale s WHERE s.shop_id = h.id "
            "ORDER BY s.id OFFSET 1 ROWS FETCH NEXT 1 ROWS ONLY) t",
            [(1, 2), (2, 4)],
        ),
        (
            "SELECT h.id, t.x FROM gold.shop h CROSS APPLY (SELECT h.id AS x UNION ALL SELECT h.id * 10) "
            "t WHERE h.id < 3",
            [(1, 1), (1, 10), (2, 2), (2, 20)],
        ),
        (
            "SELECT h.id, b.y FROM gold.shop h CROSS APPLY (SELECT h.id * 2 AS x) a CROSS APPLY (SELECT "
            "a.x + 1 AS y) b",
            [(1, 3), (2, 5), (3, 7), (4, 9)],
        ),
        (
            "SELECT h.id, v.m FROM gold.shop h CROSS APPLY (SELECT MAX(x.v) AS m FROM (VALUES (h.id), (2)) AS x (v)) v",
            [(1, 2), (2, 2), (3, 3), (4, 4)],
        ),
        (
            "SELECT h.id, t.rn FROM gold.shop h CROSS APPLY (SELECT ROW_NUMBER() OVER (ORDER BY s.day DESC) AS rn "
            "FROM gold.sale s WHERE s.shop_id = h.id) t WHERE t.rn = 2",
            [(1, 2), (2, 2)],
        ),
    ),
    construct(
        "VALUES as a table",
        f"{Q}/table-value-constructor-transact-sql",
        ("SELECT v.a, v.b FROM (VALUES (1, 'x'), (2, 'y')) AS v (a, b)", [(1, "x"), (2, "y")]),
        ("SELECT v.a FROM (VALUES (1), (2.5)) AS v (a)", [(D("1.0"),), (D("2.5"),)]),
    ),
    construct(
        "PIVOT",
        PIVOT,
        (
            "SELECT p.product, p.[1] AS jan, p.[2] AS feb FROM (SELECT product, MONTH(day) AS m, pieces FROM gold.sale "
            "WHERE product <> 'tea') AS s PIVOT (SUM(pieces) FOR m IN ([1], [2])) AS p",
            [("milk", 1, 4), ("jam", None, None)],
        ),
        (
            "SELECT p.[1] AS a, p.[2] AS b, p.[3] AS c FROM (SELECT shop_id, id FROM gold.sale) AS s "
            "PIVOT (COUNT(id) FOR shop_id IN ([1], [2], [3])) AS p",
            [(2, 2, 1)],
        ),
    ),
    construct(
        "UNPIVOT",
        PIVOT,
        (
            "SELECT u.id, u.kind, u.val FROM (SELECT id, pieces, shop_id FROM gold.sale WHERE id IN (4, 5)) AS s "
            "UNPIVOT (val FOR kind IN (pieces, shop_id)) AS u",
            [(4, "shop_id", 2), (5, "pieces", 4), (5, "shop_id", 3)],
        ),
    ),
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
        "STRING_SPLIT",
        "t-sql/functions/string-split-transact-sql",
        ("SELECT value FROM STRING_SPLIT('a,b,,c', ',')", [("a",), ("b",), ("",), ("c",)]),
        ("SELECT value, ordinal FROM STRING_SPLIT('x y', ' ', 1)", [("x", 1), ("y", 2)]),
        (
            "SELECT t.id, s.value FROM gold.texts AS t CROSS APPLY STRING_SPLIT(t.t, 'b') AS s WHERE t.id IN (1, 2, 4)",
            [(1, "a"), (1, "c"), (2, "")],
        ),
        ("SELECT value FROM STRING_SPLIT('a,b', ',,')", ERROR),
    ),
    construct(
        "GENERATE_SERIES",
        "t-sql/functions/generate-series-transact-sql",
        ("SELECT value FROM GENERATE_SERIES(1, 3)", [(1,), (2,), (3,)]),
        ("SELECT value FROM GENERATE_SERIES(5, 1, -2)", [(5,), (3,), (1,)]),
    ),
    construct(
        "JSON_VALUE",
        "t-sql/functions/json-value-transact-sql",
        ("JSON_VALUE(j, '$.name')", ["Ada", None, None]),
        ("JSON_VALUE(j, '$.age')", ["36", "1.50", None]),
        ("JSON_VALUE(j, '$.home.city')", ["London", None, None]),
        ("JSON_VALUE(j, '$.tags[1]')", ["y", None, None]),
        ("JSON_VALUE(j, '$.home')", [None] * 3),
        ("JSON_VALUE(j, '$.on')", [None, "true", None]),
        ("JSON_VALUE(j, '$.Name')", [None] * 3),
        ("JSON_VALUE(j, 'strict $.nothing')", ERROR),
        ("CAST(JSON_VALUE(j, '$.age') AS DECIMAL(5,1))", [D("36.0"), D("1.5"), None]),
        ("JSON_VALUE('not json', '$.a')", ERROR),
        table="document",
    ),
    construct(
        "JSON_QUERY",
        "t-sql/functions/json-query-transact-sql",
        ("JSON_QUERY(j, '$.tags')", ['["x", "y"]', "[]", None]),
        ("JSON_QUERY(j, '$.name')", [None] * 3),
        table="document",
    ),
    construct(
        "ISJSON",
        "t-sql/functions/isjson-transact-sql",
        ("ISJSON(j)", [1, 1, None], "int"),
        ("ISJSON('x')", [0] * 3),
        ("ISJSON('')", [0] * 3),
        ("ISJSON('{a: 1}')", [0] * 3),
        table="document",
    ),
    construct(
        "OPENJSON",
        "t-sql/functions/openjson-transact-sql",
        ("SELECT d.id, o.value FROM gold.document AS d CROSS APPLY OPENJSON(d.j, '$.tags') AS o", [(1, "x"), (1, "y")]),
        ('SELECT o.[key] AS k, o.value AS v FROM OPENJSON(\'{"a": 1, "b": "x"}\') AS o', [("a", "1"), ("b", "x")]),
        (
            'SELECT o.a, o.b FROM OPENJSON(\'[{"a": 1, "b": "x"}, {"a": 2}]\') '
            "WITH (a INT '$.a', b VARCHAR(5) '$.b') AS o",
            [(1, "x"), (2, None)],
        ),
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
