"""Gold models that are refreshed by keys, one for each construct."""

from midnight.silver_to_gold.models import GoldColumn, GoldModel, GoldModelContract
from tests.support.random_models import TABLES

REFERENCES = {name.replace(".", "__"): name for name in TABLES}


def model(sql, key=("a",), types=("INT", "INT"), refresh=None, name="m"):
    """A model with the columns a, b, …."""
    columns = tuple(GoldColumn(name=column, type=kind) for column, kind in zip("abcdef", types, strict=False))
    contract = GoldModelContract(description="", key=key, columns=columns, refresh=refresh)
    return GoldModel(name=name, sql=sql, references=REFERENCES, contract=contract)


# Query, the columns of the refresh if not only a, and the driving input if it is not silver.orders.
BY_KEY = {
    "rows": "SELECT id AS a, v + 1 AS b FROM silver__orders WHERE v > 0",
    "computed key": "SELECT CASE WHEN id > 1 THEN 1 ELSE 0 END AS a, v AS b FROM silver__orders",
    "key computed from a condition": (
        "SELECT CASE WHEN NOT b THEN 1 ELSE 0 END AS a, v AS b "
        "FROM (SELECT *, id = 1 AND k > 0 AS b FROM silver__orders)"
    ),
    "left join": "SELECT o.id AS a, i.k AS b FROM silver__orders o LEFT JOIN silver__items i ON i.id = o.id",
    "filter on what a left join leaves out": (
        "SELECT o.id AS a, o.v AS b FROM silver__orders o LEFT JOIN silver__items i ON i.id = o.id WHERE i.w IS NULL"
    ),
    "chain of left joins": (
        "SELECT o.id AS a, p.v AS b FROM silver__orders o LEFT JOIN silver__items i ON i.id = o.id "
        "LEFT JOIN silver__parts p ON p.k = i.k"
    ),
    "inner join after a left join": (
        "SELECT o.id AS a, p.v AS b FROM silver__orders o LEFT JOIN silver__items i ON i.id = o.id "
        "JOIN silver__parts p ON p.k = i.k"
    ),
    "right join": "SELECT o.id AS a, i.k AS b FROM silver__items i RIGHT JOIN silver__orders o ON i.id = o.id",
    "using": "SELECT id AS a, w AS b FROM silver__orders LEFT JOIN silver__items USING (id)",
    "comma": "SELECT o.id AS a, i.k AS b FROM silver__orders o, silver__items i WHERE i.id = o.id",
    "range join": "SELECT o.id AS a, p.k AS b FROM silver__orders o LEFT JOIN silver__parts p ON p.v < o.v",
    "semi join": "SELECT o.id AS a, o.v AS b FROM silver__orders o LEFT SEMI JOIN silver__items i ON i.id = o.id",
    "anti join": "SELECT o.id AS a, o.v AS b FROM silver__orders o LEFT ANTI JOIN silver__items i ON i.id = o.id",
    "null-safe join": "SELECT o.id AS a, i.k AS b FROM silver__orders o LEFT JOIN silver__items i ON i.id <=> o.id",
    "joined sums": (
        "SELECT o.id AS a, i.n AS b FROM silver__orders o "
        "LEFT JOIN (SELECT id, count(*) AS n FROM silver__items GROUP BY id) i ON i.id = o.id AND i.n > 1"
    ),
    "join with itself": (
        "SELECT o.id AS a, p.v AS b FROM silver__orders o LEFT JOIN silver__orders p ON p.k = o.k AND p.v > 1"
    ),
    "groups": "SELECT id AS a, sum(v) AS b FROM silver__orders GROUP BY id HAVING count(*) > 1",
    "groups by number": "SELECT coalesce(id, 0) AS a, max(v) AS b FROM silver__orders GROUP BY 1",
    "groups by alias": "SELECT coalesce(id, 0) AS a, max(v) AS b FROM silver__orders GROUP BY a",
    "key computed from a group": "SELECT id + 1 AS a, k AS b FROM silver__orders GROUP BY id, k",
    "groups of a join": (
        "SELECT o.id AS a, count(i.id) AS b FROM silver__orders o LEFT JOIN silver__items i ON i.id = o.id "
        "GROUP BY o.id"
    ),
    "distinct": "SELECT DISTINCT id AS a, v AS b FROM silver__orders",
    "window": "SELECT id AS a, count(*) OVER (PARTITION BY id) AS b FROM silver__orders",
    "named window": "SELECT id AS a, max(v) OVER w AS b FROM silver__orders WINDOW w AS (PARTITION BY id)",
    "qualify": ("SELECT id AS a, v AS b FROM silver__orders QUALIFY rank() OVER (PARTITION BY id ORDER BY v DESC) = 1"),
    "newest row": (
        "SELECT id AS a, v AS b FROM (SELECT *, rank() OVER (PARTITION BY id ORDER BY v) AS n FROM silver__orders) "
        "WHERE n = 1"
    ),
    "common table expressions": (
        "WITH o AS (SELECT id, k, v FROM silver__orders WHERE v > 0), "
        "n AS (SELECT id, count(*) AS n FROM o GROUP BY id) "
        "SELECT o.id AS a, n.n AS b FROM o JOIN n ON n.id = o.id"
    ),
    "union all": "SELECT id AS a, v AS b FROM silver__orders UNION ALL SELECT id, k FROM silver__orders WHERE v = 1",
    "unpivoted": "SELECT id AS a, v AS b FROM silver__orders UNION ALL SELECT k, v FROM silver__orders",
    "union of two inputs": "SELECT id AS a, v AS b FROM silver__orders UNION ALL SELECT id, k FROM silver__items",
    "unknown member": "SELECT id AS a, v AS b FROM silver__orders UNION ALL SELECT 1, NULL",
    "groups of a union": (
        "SELECT a, count(*) AS b FROM (SELECT id AS a FROM silver__orders UNION ALL SELECT k FROM silver__parts) "
        "GROUP BY a"
    ),
    "join through an inner equality": (
        "SELECT i.id AS a, max(o.v) AS b FROM silver__orders o JOIN silver__items i ON i.id = o.id GROUP BY i.id"
    ),
    "condition on a coalesce of a left join": (
        "SELECT o.id AS a, i.k AS b FROM silver__orders o LEFT JOIN silver__items i ON i.id = o.id "
        "WHERE coalesce(i.k, 1) = 1"
    ),
    "subquery in a condition": (
        "SELECT id AS a, v AS b FROM silver__orders WHERE v >= (SELECT min(v) FROM silver__parts)"
    ),
    "correlated subquery": (
        "SELECT o.id AS a, (SELECT max(i.w) FROM silver__items i WHERE i.id = o.id) AS b FROM silver__orders o"
    ),
    "newest by an anti join with itself": (
        "SELECT o.id AS a, o.v AS b FROM silver__orders o LEFT ANTI JOIN silver__orders n ON n.id = o.id AND n.v > o.v"
    ),
    "common table expression used twice": (
        "WITH o AS (SELECT id, v FROM silver__orders), n AS (SELECT id, count(*) AS n FROM o GROUP BY id) "
        "SELECT o.id AS a, n.n + m.n AS b FROM o JOIN n ON n.id = o.id JOIN n AS m ON m.id = o.id"
    ),
    "common table expression named as its input": (
        "WITH silver__orders AS (SELECT id, v FROM silver__orders WHERE v > 0) "
        "SELECT id AS a, v AS b FROM silver__orders"
    ),
    "values": "SELECT o.id AS a, t.y AS b FROM silver__orders o JOIN (VALUES (1, 2), (2, 3)) AS t(x, y) ON t.x = o.k",
    "joined limit": (
        "SELECT o.id AS a, o.v AS b FROM silver__orders o "
        "JOIN (SELECT DISTINCT k FROM silver__parts ORDER BY k LIMIT 2) p ON p.k = o.k"
    ),
    "joined difference": (
        "SELECT o.id AS a, o.v AS b FROM silver__orders o "
        "JOIN (SELECT id FROM silver__items EXCEPT SELECT k FROM silver__parts) e ON e.id = o.id"
    ),
    "case in a join": (
        "SELECT CASE WHEN o.k > 1 THEN o.id ELSE o.k END AS a, max(i.k) AS b FROM silver__orders o "
        "JOIN silver__items i ON CASE WHEN o.k > 1 THEN o.id ELSE o.k END = i.id GROUP BY 1"
    ),
    "right join after an inner join": (
        "SELECT p.k AS a, o.v AS b FROM silver__orders o JOIN silver__items i ON i.id = o.id "
        "RIGHT JOIN silver__parts p ON p.k = i.k"
    ),
    "outer join in an outer join": (
        "SELECT o.id AS a, x.id AS b FROM silver__orders o LEFT JOIN (SELECT i.id, p.v FROM silver__items i "
        "LEFT JOIN silver__parts p ON p.k = i.k) x ON x.id = o.id AND x.v IS NULL"
    ),
    "window over more than the key": (
        "SELECT id AS a, count(*) OVER (PARTITION BY id, k ORDER BY v RANGE BETWEEN 1 PRECEDING AND CURRENT ROW) AS b "
        "FROM silver__orders"
    ),
    "key that becomes null": "SELECT nullif(id, 1) AS a, count(*) AS b FROM silver__orders GROUP BY nullif(id, 1)",
    "lateral view": "SELECT id AS a, x AS b FROM silver__orders LATERAL VIEW explode(array(v, 1)) t AS x",
    "cross join": "SELECT o.id AS a, p.v AS b FROM silver__orders o CROSS JOIN silver__parts p",
}
DUCKDB_DOES_NOT_KNOW = {"lateral view"}
