"""Joins, APPLY, PIVOT and VALUES."""

from __future__ import annotations

from datetime import date

from tests.unit.midnight.gold_to_serving.tsql_answers.corpus import ERROR, Construct, D, construct

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
]
