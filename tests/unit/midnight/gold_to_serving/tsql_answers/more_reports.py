"""Further typical views of reports; see reports.py."""

from __future__ import annotations

from datetime import date

from tests.unit.midnight.gold_to_serving.tsql_answers.corpus import ERROR, Construct, D, construct

F = "t-sql/functions"
Q = "t-sql/queries"

CONSTRUCTS: list[Construct] = [
    construct(
        "report of customers without orders",
        f"{Q}/from-transact-sql",
        (
            "SELECT h.name, COALESCE(SUM(s.amount), 0) AS revenue, COUNT(s.id) AS orders, "
            "CASE WHEN COUNT(s.id) = 0 THEN NULL ELSE SUM(s.amount) / COUNT(s.id) END AS average "
            "FROM gold.shop h LEFT JOIN gold.sale s ON s.shop_id = h.id GROUP BY h.name",
            [
                ("Nørre", D("12.50"), 2, D("6.250000")),
                ("Søndre", D("25.00"), 2, D("12.500000")),
                ("Nova", D("10.00"), 1, D("10.000000")),
                ("Empty", D("0.00"), 0, None),
            ],
        ),
        (
            "SELECT h.name FROM gold.shop h LEFT JOIN gold.sale s ON s.shop_id = h.id WHERE s.id IS NULL",
            [("Empty",)],
        ),
        (
            "SELECT h.name FROM gold.shop h LEFT JOIN gold.sale s ON s.shop_id = h.id GROUP BY h.id, h.name "
            "HAVING ISNULL(SUM(s.amount), 0) < 11",
            [("Nova",), ("Empty",)],
        ),
    ),
    construct(
        "report of shares",
        "t-sql/queries/select-over-clause-transact-sql",
        (
            "SELECT product, RANK() OVER (ORDER BY SUM(amount) DESC) AS r, "
            "100 * SUM(amount) / SUM(SUM(amount)) OVER () AS pct FROM gold.sale WHERE id <> 4 GROUP BY product",
            [("tea", 1, D("63.325493")), ("milk", 2, D("22.616247")), ("jam", 3, D("14.058259"))],
        ),
        (
            "SELECT id, CASE WHEN amount > AVG(amount) OVER () THEN 'above' ELSE 'below' END AS x FROM "
            "gold.sale WHERE id < 4",
            [(1, "below"), (2, "below"), (3, "above")],
        ),
        (
            "SELECT id, NTILE(3) OVER (ORDER BY amount DESC, id) AS tercile FROM gold.sale",
            [(3, 1), (1, 1), (5, 2), (6, 2), (2, 3), (4, 3)],
        ),
    ),
    construct(
        "report with rows turned into columns",
        "t-sql/language-elements/case-transact-sql",
        (
            "SELECT shop_id, MAX(CASE WHEN rn = 1 THEN product END) AS p1, MAX(CASE WHEN rn = 2 THEN "
            "product END) AS p2 "
            "FROM (SELECT shop_id, product, ROW_NUMBER() OVER (PARTITION BY shop_id ORDER BY amount DESC, id) AS rn "
            "FROM gold.sale WHERE shop_id IS NOT NULL) x GROUP BY shop_id",
            [(1, "tea", "milk"), (2, "tea", "tea "), (3, "milk", None)],
        ),
        (
            "SELECT SUM(CASE WHEN MONTH(day) = 1 THEN pieces END) AS jan, SUM(CASE WHEN MONTH(day) = 4 "
            "THEN pieces END) AS apr "
            "FROM gold.sale",
            [(8, None)],
        ),
    ),
    construct(
        "report of gaps",
        f"{F}/lag-transact-sql",
        (
            "SELECT id, DATEDIFF(day, LAG(day) OVER (ORDER BY day, id), day) AS gap FROM gold.sale",
            [(1, None), (2, 15), (3, 0), (4, 12), (5, 28), (6, 31)],
        ),
        (
            "SELECT id, SUM(CASE WHEN gap > 10 THEN 1 ELSE 0 END) OVER (ORDER BY id) AS island FROM "
            "(SELECT id, DATEDIFF(day, LAG(day) OVER (ORDER BY id), day) AS gap FROM gold.sale) g",
            [(1, 0), (2, 1), (3, 1), (4, 2), (5, 3), (6, 4)],
        ),
        (
            "SELECT MIN(day) AS first_day, MAX(day) AS last_day, DATEDIFF(month, MIN(day), MAX(day)) AS n "
            "FROM gold.sale",
            [(date(2024, 1, 5), date(2024, 3, 31), 2)],
        ),
    ),
    construct(
        "report by weekday",
        f"{F}/datename-transact-sql",
        ("SELECT COUNT(*) AS n FROM gold.sale WHERE DATENAME(weekday, day) IN ('Saturday', 'Sunday')", [(3,)]),
        (
            "SELECT CASE DATEDIFF(day, '19000101', day) % 7 WHEN 5 THEN 'weekend' WHEN 6 THEN 'weekend' "
            "ELSE 'weekday' END "
            "AS w, COUNT(*) AS n FROM gold.sale GROUP BY CASE DATEDIFF(day, '19000101', day) % 7 WHEN 5 THEN 'weekend' "
            "WHEN 6 THEN 'weekend' ELSE 'weekday' END",
            [("weekday", 3), ("weekend", 3)],
        ),
    ),
    construct(
        "report by period",
        f"{F}/datefromparts-transact-sql",
        (
            "SELECT CONCAT(YEAR(day), '-', RIGHT(CONCAT('0', MONTH(day)), 2)) AS ym, SUM(pieces) AS p FROM gold.sale "
            "GROUP BY CONCAT(YEAR(day), '-', RIGHT(CONCAT('0', MONTH(day)), 2))",
            [("2024-01", 8), ("2024-02", 4), ("2024-03", 3)],
        ),
        (
            "SELECT s.id FROM gold.sale s WHERE s.day >= DATEFROMPARTS(2024, 2, 1) "
            "AND s.day < DATEADD(month, 1, DATEFROMPARTS(2024, 2, 1))",
            [(4,), (5,)],
        ),
        (
            "SELECT s.id FROM gold.sale s WHERE s.day = (SELECT MAX(day) FROM gold.sale) OR s.day = EOMONTH(s.day)",
            [(5,), (6,)],
        ),
        (
            "SELECT d.dt, ISNULL(SUM(s.amount), 0) AS a FROM (VALUES (CAST('2024-01-20' AS DATE)), "
            "(CAST('2024-01-21' AS DATE))) d (dt) LEFT JOIN gold.sale s ON s.day = d.dt GROUP BY d.dt",
            [(date(2024, 1, 20), D("27.50")), (date(2024, 1, 21), D("0.00"))],
        ),
        (
            "SELECT d.day, COUNT(s.id) AS n FROM (SELECT DISTINCT day FROM gold.sale) d LEFT JOIN gold.sale s "
            "ON s.day <= d.day WHERE d.day < '2024-02-02' GROUP BY d.day",
            [(date(2024, 1, 5), 1), (date(2024, 1, 20), 3), (date(2024, 2, 1), 4)],
        ),
    ),
    construct(
        "report of texts",
        f"{F}/isnull-transact-sql",
        (
            "SELECT id, IIF(pieces IS NULL, 'n/a', CAST(pieces AS VARCHAR(10))) AS p FROM gold.sale WHERE id IN (3, 4)",
            [(3, "5"), (4, "n/a")],
        ),
        (
            "SELECT id, UPPER(product) + '-' + CONVERT(CHAR(8), day, 112) + '-' + RIGHT('000' + CAST(id "
            "AS VARCHAR(3)), 3) AS k "
            "FROM gold.sale WHERE id IN (1, 4)",
            [(1, "TEA-20240105-001"), (4, "TEA -20240201-004")],
        ),
        ("SELECT id, REPLACE(REPLACE(product, 'a', '4'), 'e', '3') AS p FROM gold.sale WHERE id = 1", [(1, "t34")]),
        (
            "SELECT 'total' AS product, SUM(pieces) AS p FROM gold.sale UNION ALL "
            "SELECT UPPER(product), SUM(pieces) FROM gold.sale WHERE id <> 4 GROUP BY product",
            [("total", 15), ("TEA", 7), ("MILK", 5), ("JAM", 3)],
        ),
    ),
    construct(
        "report that T-SQL refuses",
        "t-sql/queries/select-group-by-transact-sql",
        ("SELECT product, SUM(amount) AS a FROM gold.sale", ERROR),
        ("SELECT product FROM gold.sale GROUP BY product HAVING amount > 1", ERROR),
        ("SELECT product, SUM(amount) AS a FROM gold.sale GROUP BY product HAVING a > 1", ERROR),
        ("SELECT id, amount AS a FROM gold.sale WHERE a > 1", ERROR),
        ("SELECT id FROM gold.sale WHERE SUM(amount) > 1", ERROR),
        ("SELECT id, product FROM gold.sale UNION ALL SELECT id FROM gold.shop", ERROR),
        ("SELECT id FROM gold.sale, gold.shop", ERROR),
        ("SELECT s.nothing FROM gold.sale s", ERROR),
        ("SELECT h.id FROM gold.sale s", ERROR),
        ("SELECT id FROM gold.nothing", ERROR),
        ("SELECT DISTINCT TOP (2) product FROM gold.sale ORDER BY id", ERROR),
        ("SELECT id FROM gold.sale WHERE day = 20240105", ERROR),
        ("SELECT id + product AS x FROM gold.sale", ERROR),
        ("SELECT UNKNOWN_FUNCTION(id) AS x FROM gold.sale", ERROR),
        ("SELECT LEFT(product) AS x FROM gold.sale", ERROR),
        ("SELECT CAST(id AS NUMBER) AS x FROM gold.sale", ERROR),
        ("SELECT id FROM gold.sale WHERE product LIKE 5 + '%'", ERROR),
        ("SELECT DATEADD(months, 1, day) AS x FROM gold.sale", ERROR),
        ("SELECT CASE WHEN id = 1 THEN 'a' END FROM gold.sale", ERROR),
    ),
]
