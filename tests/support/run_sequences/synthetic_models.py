"""Gold models that each do one thing that a refresh by key has to get right, or has to refuse.

Name -> (query, columns as in SQL DDL, key). Sums are of decimals and whole numbers: a sum of doubles depends on the
order of its rows, in a whole build too.
"""

from __future__ import annotations

MODELS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "fact_order": (
        "SELECT o.id AS order_key, coalesce(c.code, '?') AS customer_key, c.country, c.level, o.day, o.amount, "
        "o.amount * 2 AS double_amount FROM silver.orders AS o LEFT JOIN silver.customers AS c ON c.code = o.customer",
        "order_key BIGINT, customer_key STRING, country STRING, level INT, day DATE, amount DECIMAL(12,2), "
        "double_amount DECIMAL(14,2)",
        ("order_key",),
    ),
    "mart_day": (
        "SELECT day, count(*) AS orders, sum(amount) AS amount, min(order_key) AS first_order, "
        "count(DISTINCT customer_key) AS customers FROM gold.fact_order GROUP BY day",
        "day DATE, orders BIGINT, amount DECIMAL(22,2), first_order BIGINT, customers BIGINT",
        ("day",),
    ),
    "mart_country": (  # the group comes from the dimension: one changed customer moves many orders
        "SELECT coalesce(country, 'none') AS country, count(*) AS orders, max(amount) AS largest "
        "FROM gold.fact_order GROUP BY coalesce(country, 'none')",
        "country STRING, orders BIGINT, largest DECIMAL(12,2)",
        ("country",),
    ),
    "mart_month": (  # a model over a model over a model
        "SELECT year(day) AS year, month(day) AS month, sum(orders) AS orders, max(amount) AS best_day "
        "FROM gold.mart_day GROUP BY year(day), month(day)",
        "year INT, month INT, orders BIGINT, best_day DECIMAL(22,2)",
        ("year", "month"),
    ),
    "busy_day": (
        "SELECT day, count(*) AS orders FROM silver.orders GROUP BY day HAVING count(*) > 1",
        "day DATE, orders BIGINT",
        ("day",),
    ),
    "fact_line": (  # a composite key, and three tables
        "SELECT l.order_id, l.line, l.product, l.price, o.day, c.country FROM silver.lines AS l "
        "JOIN silver.orders AS o ON o.id = l.order_id LEFT JOIN silver.customers AS c ON c.code = o.customer",
        "order_id BIGINT, line INT, product STRING, price DECIMAL(8,2), day DATE, country STRING",
        ("order_id", "line"),
    ),
    "order_with_lines": (  # an aggregate in a join
        "WITH totals AS (SELECT order_id, count(*) AS lines, sum(price) AS price FROM silver.lines GROUP BY order_id) "
        "SELECT o.id, o.customer, coalesce(t.lines, 0) AS lines, t.price FROM silver.orders AS o "
        "LEFT JOIN totals AS t ON t.order_id = o.id",
        "id BIGINT, customer STRING, lines BIGINT, price DECIMAL(18,2)",
        ("id",),
    ),
    "latest_order": (  # a window that selects
        "SELECT customer, id, amount FROM (SELECT customer, id, amount, row_number() OVER (PARTITION BY customer "
        "ORDER BY day DESC, id DESC) AS n FROM silver.orders WHERE customer IS NOT NULL) WHERE n = 1",
        "customer STRING, id BIGINT, amount DECIMAL(12,2)",
        ("customer",),
    ),
    "running_total": (  # a window: a changed order changes the rows of others
        "SELECT id, day, sum(amount) OVER (PARTITION BY customer ORDER BY day, id) AS total, "
        "CAST(rank() OVER (ORDER BY amount DESC) AS INT) AS place FROM silver.orders",
        "id BIGINT, day DATE, total DECIMAL(22,2), place INT",
        ("id",),
    ),
    "previous_order": (  # a self-join
        "SELECT o.id, o.customer, p.id AS previous_id, p.amount AS previous_amount FROM silver.orders AS o "
        "LEFT JOIN silver.orders AS p ON p.id = o.id - 1",
        "id BIGINT, customer STRING, previous_id BIGINT, previous_amount DECIMAL(12,2)",
        ("id",),
    ),
    "share_of_all": (  # one row changes the result of every row
        "SELECT o.id, o.amount, t.total FROM silver.orders AS o CROSS JOIN "
        "(SELECT sum(amount) AS total FROM silver.orders) AS t",
        "id BIGINT, amount DECIMAL(12,2), total DECIMAL(22,2)",
        ("id",),
    ),
    "distinct_pair": (
        "SELECT DISTINCT customer, day FROM silver.orders WHERE customer IS NOT NULL",
        "customer STRING, day DATE",
        ("customer", "day"),
    ),
    "any_code": (
        "SELECT code FROM silver.customers UNION SELECT customer AS code FROM silver.orders WHERE customer IS NOT NULL",
        "code STRING",
        ("code",),
    ),
    "both_kinds": (
        "SELECT 'order' AS kind, CAST(id AS STRING) AS name, note AS text FROM silver.orders UNION ALL "
        "SELECT 'customer', code, country FROM silver.customers",
        "kind STRING, name STRING, text STRING",
        ("kind", "name"),
    ),
    "without_orders": (  # an inserted order removes a row
        "SELECT c.code, c.name FROM silver.customers AS c WHERE NOT EXISTS "
        "(SELECT 1 FROM silver.orders AS o WHERE o.customer = c.code)",
        "code STRING, name STRING",
        ("code",),
    ),
    "all_prices": (
        "SELECT coalesce(p.price, l.price) AS price, max(p.label) AS label, count(l.line) AS lines "
        "FROM silver.prices AS p FULL OUTER JOIN silver.lines AS l ON CAST(l.price AS DECIMAL(18,2)) = p.price "
        "GROUP BY coalesce(p.price, l.price)",
        "price DECIMAL(18,2), label STRING, lines BIGINT",
        ("price",),
    ),
    "cheaper_prices": (  # not an equality: a row joins many
        "SELECT p.price, p.label, count(o.id) AS orders FROM silver.prices AS p LEFT JOIN silver.orders AS o "
        "ON o.amount >= p.price GROUP BY p.price, p.label",
        "price DECIMAL(18,2), label STRING, orders BIGINT",
        ("price",),
    ),
    "event_hour": (
        "SELECT date_trunc('HOUR', happened) AS hour, kind, count(*) AS events, sum(weight) AS weight, "
        "max(happened) AS last FROM silver.events GROUP BY date_trunc('HOUR', happened), kind",
        "hour TIMESTAMP, kind STRING, events BIGINT, weight DECIMAL(20,3), last TIMESTAMP",
        ("hour", "kind"),
    ),
    "event": (
        "SELECT happened, kind, weight, happened < TIMESTAMP '2000-01-01 00:00:00' AS is_old FROM silver.events",
        "happened TIMESTAMP, kind STRING, weight DECIMAL(10,3), is_old BOOLEAN",
        ("happened",),
    ),
    "team": (
        "SELECT b.id AS boss_id, b.name, count(s.id) AS members FROM silver.staff AS b "
        "LEFT JOIN silver.staff AS s ON s.boss = b.id GROUP BY b.id, b.name",
        "boss_id INT, name STRING, members BIGINT",
        ("boss_id",),
    ),
    "last_login": ("SELECT name, place FROM silver.logins", "name STRING, place STRING", ("name",)),
    "word_list": ("SELECT word, n FROM silver.words", "word STRING, n INT", ()),
    "word_count": (
        "SELECT word, count(*) AS copies FROM silver.words WHERE word IS NOT NULL GROUP BY word",
        "word STRING, copies BIGINT",
        ("word",),
    ),
    "summary": (  # one row, whatever happens
        "SELECT count(*) AS orders, max(day) AS last_day, sum(amount) AS amount FROM silver.orders",
        "orders BIGINT, last_day DATE, amount DECIMAL(22,2)",
        ("orders",),
    ),
}

# The type of a rank is not in the list of equal results (docs/spark-sql.md).
UNPROVED = {"latest_order": ["="], "running_total": ["cast to int"]}
