"""Typical views of reports over a small star schema; each combines several constructs."""

from __future__ import annotations

from datetime import date, datetime

from tests.unit.midnight.gold_to_serving.tsql_answers.corpus import Construct, D, construct

Q = "t-sql/queries"
F = "t-sql/functions"
SHOP = "gold.sale AS s INNER JOIN gold.shop AS h ON h.id = s.shop_id"

CONSTRUCTS: list[Construct] = [
    construct(
        "report by month",
        f"{F}/datename-transact-sql",
        (
            "SELECT DATENAME(month, day) + ' ' + DATENAME(year, day) AS m, SUM(amount) AS a FROM gold.sale "
            "GROUP BY DATENAME(month, day) + ' ' + DATENAME(year, day)",
            [("January 2024", D("37.50")), ("February 2024", D("10.00")), ("March 2024", D("7.77"))],
        ),
        (
            "SELECT YEAR(day) AS y, DATEPART(quarter, day) AS q, SUM(pieces) AS p FROM gold.sale "
            "GROUP BY YEAR(day), DATEPART(quarter, day)",
            [(2024, 1, 15)],
        ),
        (
            "SELECT DATETRUNC(month, day) AS m, COUNT(*) AS n FROM gold.sale GROUP BY DATETRUNC(month, day)",
            [(date(2024, 1, 1), 3), (date(2024, 2, 1), 2), (date(2024, 3, 1), 1)],
        ),
        (
            "SELECT DATEADD(month, DATEDIFF(month, 0, day), 0) AS m, COUNT(*) AS n FROM gold.sale "
            "GROUP BY DATEADD(month, DATEDIFF(month, 0, day), 0)",
            [(datetime(2024, 1, 1), 3), (datetime(2024, 2, 1), 2), (datetime(2024, 3, 1), 1)],
            "datetime",
        ),
        (
            "SELECT FORMAT(day, 'yyyy-MM') AS m, FORMAT(SUM(amount), 'N2') AS a FROM gold.sale "
            "GROUP BY FORMAT(day, 'yyyy-MM')",
            [("2024-01", "37.50"), ("2024-02", "10.00"), ("2024-03", "7.77")],
        ),
        (
            "SELECT CHOOSE(MONTH(day), 'Jan', 'Feb', 'Mar') AS m, COUNT(*) AS n FROM gold.sale "
            "GROUP BY CHOOSE(MONTH(day), 'Jan', 'Feb', 'Mar')",
            [("Jan", 3), ("Feb", 2), ("Mar", 1)],
        ),
        (
            "SELECT EOMONTH(day) AS m, COUNT(DISTINCT shop_id) AS n FROM gold.sale GROUP BY EOMONTH(day)",
            [(date(2024, 1, 31), 2), (date(2024, 2, 29), 2), (date(2024, 3, 31), 0)],
            "date",
        ),
    ),
    construct(
        "report of ratios",
        "t-sql/data-types/precision-scale-and-length-transact-sql",
        (
            "SELECT SUM(amount) / NULLIF(SUM(pieces), 0) AS x FROM gold.sale",
            [(D("3.684666"),)],
            "decimal(38,6)",
        ),
        ("SELECT SUM(amount) / COUNT(*) AS x FROM gold.sale", [(D("9.211666"),)], "decimal(38,6)"),
        (
            "SELECT 100.0 * SUM(CASE WHEN product = 'tea' THEN 1 ELSE 0 END) / COUNT(*) AS x FROM gold.sale",
            [(D("50.000000000000"),)],
            "decimal(26,12)",
        ),
        (
            "SELECT CAST(100.0 * COUNT(CASE WHEN pieces > 2 THEN 1 END) / COUNT(*) AS DECIMAL(5,2)) AS x "
            "FROM gold.sale",
            [(D("50.00"),)],
        ),
        ("SELECT SUM(pieces) / COUNT(*) AS x FROM gold.sale", [(2,)], "int"),
        ("SELECT SUM(pieces) * 100 / COUNT(*) AS x FROM gold.sale", [(250,)], "int"),
        ("SELECT ROUND(AVG(amount), 2) AS x FROM gold.sale", [(D("11.050000"),)], "decimal(38,6)"),
        ("SELECT ROUND(SUM(amount) / 7, 2) AS x FROM gold.sale", [(D("7.900000"),)]),
        (
            "SELECT id, CAST(amount / SUM(amount) OVER () * 100 AS DECIMAL(5,2)) AS share FROM gold.sale",
            [(1, D("18.09")), (2, D("4.52")), (3, D("45.23")), (4, None), (5, D("18.09")), (6, D("14.06"))],
        ),
        ("SELECT MAX(pieces) - MIN(pieces) AS spread, STDEV(pieces) AS s FROM gold.sale", [(4, 1.5811388300841898)]),
    ),
    construct(
        "report of classes",
        "t-sql/language-elements/case-transact-sql",
        (
            "SELECT CASE WHEN pieces IS NULL THEN 'none' WHEN pieces < 3 THEN 'few' ELSE 'many' END AS c, "
            "COUNT(*) AS n "
            "FROM gold.sale GROUP BY CASE WHEN pieces IS NULL THEN 'none' WHEN pieces < 3 THEN 'few' ELSE 'many' END",
            [("none", 1), ("few", 2), ("many", 3)],
        ),
        (
            "SELECT LEFT(product, 1) AS l, COUNT(*) AS n FROM gold.sale GROUP BY LEFT(product, 1) HAVING "
            "SUM(amount) > 5",
            [("t", 3), ("m", 2), ("j", 1)],
        ),
        (
            "SELECT SUM(CASE WHEN product LIKE '[tj]%' THEN amount ELSE 0 END) AS x FROM gold.sale",
            [(D("42.77"),)],
        ),
        ("SELECT COUNT(DISTINCT CASE WHEN pieces > 1 THEN product END) AS x FROM gold.sale", [(3,)]),
    ),
    construct(
        "report with unknown members",
        f"{F}/isnull-transact-sql",
        (
            "SELECT s.id, ISNULL(h.name, 'unknown') AS shop, COALESCE(h.region, '-') AS region "
            "FROM gold.sale s LEFT JOIN gold.shop h ON h.id = s.shop_id WHERE s.id > 3",
            [(4, "Søndre", "south"), (5, "Nova", "north "), (6, "unknown", "-")],
        ),
        ("SELECT id, ISNULL(day, '') AS d FROM gold.moments WHERE id = 3", [(3, date(1900, 1, 1))]),
        ("SELECT id, COALESCE(i, '') AS n FROM gold.numbers WHERE id > 3", [(4, 0), (5, 2147483647)]),
        (
            "SELECT name + ' (' + ISNULL(region, '?') + ')' AS l FROM gold.shop WHERE id > 2",
            [("Nova (north )",), ("Empty (?)",)],
        ),
        (
            "SELECT name, UPPER(LEFT(name, 1)) + LOWER(SUBSTRING(name, 2, LEN(name))) AS proper FROM "
            "gold.shop WHERE id = 1",
            [("Nørre", "Nørre")],
        ),
    ),
    construct(
        "report of the best",
        f"{Q}/top-transact-sql",
        (
            "SELECT TOP (3) id, amount * 1.19 AS gross FROM gold.sale ORDER BY gross DESC, id",
            [(3, D("29.7500")), (1, D("11.9000")), (5, D("11.9000"))],
        ),
        (
            "SELECT TOP (1) WITH TIES MIN(LEN(product)) AS l, SUM(amount) AS a FROM gold.sale GROUP BY product "
            "ORDER BY SUM(amount) DESC",
            [(3, D("35.00"))],
        ),
        ("SELECT TOP (3) h.name FROM gold.shop h ORDER BY h.region DESC, h.name", [("Søndre",), ("Nova",), ("Nørre",)]),
        (
            "SELECT d.shop_id, d.id FROM (SELECT shop_id, id, ROW_NUMBER() OVER (PARTITION BY shop_id "
            "ORDER BY amount DESC, id) AS rn FROM gold.sale) d WHERE d.rn = 1",
            [(1, 1), (2, 3), (3, 5), (None, 6)],
        ),
        (
            "SELECT h.region, COUNT(*) AS n FROM gold.shop h WHERE h.id < 3 GROUP BY h.region "
            "ORDER BY h.region DESC OFFSET 0 ROWS FETCH NEXT 1 ROWS ONLY",
            [("south", 1)],
        ),
    ),
    construct(
        "report of changes",
        f"{F}/lag-transact-sql",
        (
            "SELECT id, amount - LAG(amount, 1, 0) OVER (ORDER BY day, id) AS diff FROM gold.sale WHERE id < 4",
            [(1, D("10.00")), (2, D("-7.50")), (3, D("22.50"))],
        ),
        (
            "WITH monthly AS (SELECT YEAR(day) AS y, MONTH(day) AS m, SUM(amount) AS a FROM gold.sale "
            "GROUP BY YEAR(day), MONTH(day)), running AS (SELECT y, m, a, SUM(a) OVER (ORDER BY y, m "
            "ROWS UNBOUNDED PRECEDING) AS ytd, LAG(a) OVER (ORDER BY y, m) AS prev FROM monthly) "
            "SELECT y, m, a, ytd, (a - prev) / NULLIF(prev, 0) AS growth FROM running",
            [
                (2024, 1, D("37.50"), D("37.50"), None),
                (2024, 2, D("10.00"), D("47.50"), D("-0.733333")),
                (2024, 3, D("7.77"), D("55.27"), D("-0.223000")),
            ],
        ),
        (
            "SELECT id, AVG(amount) OVER (ORDER BY day, id ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) AS r "
            "FROM gold.sale",
            [
                (1, D("10.000000")),
                (2, D("6.250000")),
                (3, D("12.500000")),
                (4, D("13.750000")),
                (5, D("17.500000")),
                (6, D("8.885000")),
            ],
        ),
        (
            "SELECT id, SUM(amount) OVER (PARTITION BY product ORDER BY day, id) AS r FROM gold.sale",
            [(1, D("10.00")), (2, D("2.50")), (3, D("35.00")), (4, D("35.00")), (5, D("12.50")), (6, D("7.77"))],
        ),
    ),
    construct(
        "report with totals",
        f"{Q}/select-group-by-transact-sql",
        (
            "SELECT RTRIM(h.region) AS r, s.product, SUM(s.pieces) AS p "
            f"FROM {SHOP} WHERE s.product <> 'milk' GROUP BY GROUPING SETS ((RTRIM(h.region), s.product), ())",
            [("north", "tea", 2), ("south", "tea", 5), (None, None, 7)],
        ),
        (
            "SELECT CASE WHEN GROUPING(RTRIM(h.region)) = 1 THEN 'all' ELSE RTRIM(h.region) END AS r, "
            "SUM(s.amount) AS a "
            f"FROM {SHOP} GROUP BY ROLLUP (RTRIM(h.region))",
            [("north", D("22.50")), ("south", D("25.00")), ("all", D("47.50"))],
        ),
        (
            "SELECT ISNULL(product, 'all') AS p, SUM(pieces) AS n FROM gold.sale WHERE id < 4 GROUP BY "
            "ROLLUP (product)",
            [("tea", 7), ("milk", 1), ("all", 8)],
        ),
    ),
    construct(
        "report with subqueries",
        "relational-databases/performance/subqueries",
        ("SELECT s.id FROM gold.sale s WHERE s.amount > (SELECT AVG(amount) FROM gold.sale)", [(3,)]),
        (
            "SELECT s.id FROM gold.sale s WHERE s.amount = "
            "(SELECT MAX(t.amount) FROM gold.sale t WHERE t.shop_id = s.shop_id)",
            [(1,), (3,), (5,)],
        ),
        (
            "SELECT s.id, (SELECT COUNT(*) FROM gold.sale t WHERE t.day <= s.day) AS n FROM gold.sale s WHERE s.id < 4",
            [(1, 1), (2, 3), (3, 3)],
        ),
        (
            "SELECT h.name FROM gold.shop h WHERE EXISTS "
            "(SELECT * FROM gold.sale s WHERE s.shop_id = h.id AND s.pieces > 3)",
            [("Søndre",), ("Nova",)],
        ),
        (
            "SELECT s.id FROM gold.sale s INNER JOIN (SELECT shop_id, MAX(day) AS day FROM gold.sale "
            "GROUP BY shop_id) l "
            "ON l.shop_id = s.shop_id AND l.day = s.day",
            [(2,), (4,), (5,)],
        ),
        (
            "SELECT CASE WHEN EXISTS (SELECT 1 FROM gold.sale WHERE pieces > 100) THEN 'yes' ELSE 'no' "
            "END AS x FROM gold.one",
            [("no",)],
        ),
    ),
    construct(
        "report with APPLY and PIVOT",
        f"{Q}/from-transact-sql",
        (
            "SELECT h.name, x.total, x.n FROM gold.shop h CROSS APPLY (SELECT SUM(s.amount) AS total, COUNT(*) AS n "
            "FROM gold.sale s WHERE s.shop_id = h.id) x WHERE h.id <> 2",
            [("Nørre", D("12.50"), 2), ("Nova", D("10.00"), 1), ("Empty", None, 0)],
        ),
        (
            "SELECT r, [tea], [milk] FROM (SELECT RTRIM(h.region) AS r, s.product, s.amount "
            f"FROM {SHOP}) src PIVOT (SUM(amount) FOR product IN ([tea], [milk])) pv",
            [("north", D("10.00"), D("12.50")), ("south", D("25.00"), None)],
        ),
        (
            "SELECT s.id, v.label FROM gold.sale s INNER JOIN (VALUES ('tea', 'Tea'), ('milk', 'Milk')) v "
            "(code, label) "
            "ON v.code = s.product WHERE s.id > 2",
            [(3, "Tea"), (4, "Tea"), (5, "Milk")],
        ),
        (
            "SELECT d.id, o.name, o.city FROM gold.document d CROSS APPLY "
            "OPENJSON(d.j) WITH (name VARCHAR(10) '$.name', city VARCHAR(10) '$.home.city') o",
            [(1, "Ada", "London"), (2, None, None)],
        ),
    ),
    construct(
        "report of keys and periods",
        f"{F}/dateadd-transact-sql",
        (
            "SELECT id, CONVERT(INT, CONVERT(VARCHAR(8), day, 112)) AS k FROM gold.moments",
            [(1, 20240229), (2, 20231231), (3, None), (4, 19000101)],
            "int",
        ),
        (
            "SELECT id, CAST(YEAR(day) AS VARCHAR(4)) + '-Q' + CAST(DATEPART(quarter, day) AS VARCHAR(1)) "
            "AS q FROM gold.moments",
            [(1, "2024-Q1"), (2, "2023-Q4"), (3, None), (4, "1900-Q1")],
        ),
        (
            "SELECT id, RIGHT('0' + CAST(MONTH(day) AS VARCHAR(2)), 2) AS m FROM gold.moments",
            [(1, "02"), (2, "12"), (3, None), (4, "01")],
        ),
        ("SELECT id FROM gold.sale WHERE day BETWEEN '2024-01-01' AND EOMONTH('2024-01-01')", [(1,), (2,), (3,)]),
        ("SELECT id FROM gold.sale WHERE day >= DATEADD(day, -30, '2024-02-29')", [(4,), (5,), (6,)]),
        (
            "SELECT id, DATEDIFF(year, day, '2026-11-29') - CASE WHEN DATEADD(year, DATEDIFF(year, day, "
            "'2026-11-29'), day) "
            "> '2026-11-29' THEN 1 ELSE 0 END AS age FROM gold.moments WHERE id <> 3",
            [(1, 2), (2, 2), (4, 126)],
        ),
        (
            "SELECT id, DATEADD(week, DATEDIFF(week, 0, day), 0) AS monday FROM gold.moments WHERE id < 3",
            [(1, datetime(2024, 2, 26)), (2, datetime(2024, 1, 1))],  # a Sunday begins DATEDIFF's week
        ),
        (
            "SELECT id, CONVERT(VARCHAR(5), CAST(at AS TIME(0)), 108) AS t FROM gold.moments WHERE id IN (2, 4)",
            [(2, "00:00"), (4, "12:30")],
        ),
        ("SELECT id, DATEDIFF(day, '19000101', day) % 7 AS w FROM gold.moments WHERE id < 3", [(1, 3), (2, 6)]),
    ),
]
