"""Window functions."""

from __future__ import annotations

from datetime import date

from tests.unit.midnight.gold_to_serving.tsql_answers.corpus import ERROR, Construct, D, construct

F = "t-sql/functions"
OVER = "t-sql/queries/select-over-clause-transact-sql"


def windowed(expression: str) -> str:
    return f"SELECT id, {expression} AS x FROM gold.sale"


def by_id(*values: object) -> list[tuple[object, ...]]:
    return [(key, value) for key, value in enumerate(values, start=1)]


CONSTRUCTS: list[Construct] = [
    construct(
        "ROW_NUMBER",
        f"{F}/row-number-transact-sql",
        (windowed("ROW_NUMBER() OVER (ORDER BY id DESC)"), by_id(6, 5, 4, 3, 2, 1)),
        (windowed("ROW_NUMBER() OVER (PARTITION BY shop_id ORDER BY id)"), by_id(1, 2, 1, 2, 1, 1)),
        (windowed("ROW_NUMBER() OVER (ORDER BY pieces, id)"), by_id(3, 2, 6, 1, 5, 4)),  # NULL is the lowest value
        (windowed("ROW_NUMBER() OVER (ORDER BY pieces DESC, id)"), by_id(4, 5, 1, 6, 2, 3)),
        (windowed("ROW_NUMBER() OVER (PARTITION BY shop_id)"), ERROR),
        (
            "SELECT ROW_NUMBER() OVER (ORDER BY id) AS x FROM gold.one",
            [(1,)],
            "bigint",
        ),
    ),
    construct(
        "window over text partitions",
        "t-sql/language-elements/string-comparison-assignment",
        (windowed("COUNT(*) OVER (PARTITION BY product)"), by_id(3, 2, 3, 3, 2, 1)),
        (windowed("DENSE_RANK() OVER (ORDER BY product)"), by_id(3, 2, 3, 3, 2, 1)),
    ),
    construct(
        "RANK and DENSE_RANK",
        f"{F}/rank-transact-sql",
        (windowed("RANK() OVER (ORDER BY amount DESC)"), by_id(2, 5, 1, 6, 2, 4)),
        (windowed("DENSE_RANK() OVER (ORDER BY amount DESC)"), by_id(2, 4, 1, 5, 2, 3)),
        (windowed("RANK() OVER (ORDER BY amount)"), by_id(4, 2, 6, 1, 4, 3)),
    ),
    construct(
        "NTILE",
        f"{F}/ntile-transact-sql",
        (windowed("NTILE(4) OVER (ORDER BY id)"), by_id(1, 1, 2, 2, 3, 4)),
        (windowed("NTILE(10) OVER (ORDER BY id)"), by_id(1, 2, 3, 4, 5, 6)),
    ),
    construct(
        "LAG and LEAD",
        f"{F}/lag-transact-sql",
        (windowed("LAG(pieces) OVER (ORDER BY id)"), by_id(None, 2, 1, 5, None, 4)),
        (windowed("LEAD(pieces, 2, 0) OVER (ORDER BY id)"), by_id(5, None, 4, 3, 0, 0)),
        (windowed("LAG(pieces, 1, -1) OVER (PARTITION BY shop_id ORDER BY id)"), by_id(-1, 2, -1, 5, -1, -1)),
        (
            windowed("LAG(day) OVER (ORDER BY id)"),
            by_id(
                None,
                date(2024, 1, 5),
                date(2024, 1, 20),
                date(2024, 1, 20),
                date(2024, 2, 1),
                date(2024, 2, 29),
            ),
        ),
    ),
    construct(
        "FIRST_VALUE and LAST_VALUE",
        f"{F}/first-value-transact-sql",
        (windowed("FIRST_VALUE(pieces) OVER (PARTITION BY shop_id ORDER BY id)"), by_id(2, 2, 5, 5, 4, 3)),
        (windowed("LAST_VALUE(pieces) OVER (PARTITION BY shop_id ORDER BY id)"), by_id(2, 1, 5, None, 4, 3)),
        (
            windowed(
                "LAST_VALUE(pieces) OVER (PARTITION BY shop_id ORDER BY id "
                "ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)"
            ),
            by_id(1, 1, None, None, 4, 3),
        ),
    ),
    construct(
        "aggregate OVER ()",
        OVER,
        (windowed("SUM(pieces) OVER ()"), by_id(*[15] * 6)),
        (windowed("COUNT(pieces) OVER (PARTITION BY shop_id)"), by_id(2, 2, 1, 1, 1, 1)),
        (windowed("AVG(pieces) OVER (PARTITION BY shop_id)"), by_id(1, 1, 5, 5, 4, 3)),
        (
            windowed("MAX(amount) OVER (PARTITION BY shop_id)"),
            by_id(*map(D, ("10.00", "10.00", "25.00", "25.00", "10.00", "7.77"))),
        ),
        (
            windowed("SUM(amount) * 100 / SUM(SUM(amount)) OVER ()") + " GROUP BY id, amount HAVING id = 1",
            [(1, D("100.000000"))],
        ),
    ),
    construct(
        "running total",
        OVER,
        (windowed("SUM(pieces) OVER (ORDER BY id)"), by_id(2, 3, 8, 8, 12, 15)),
        (windowed("SUM(pieces) OVER (ORDER BY day)"), by_id(2, 8, 8, 8, 12, 15)),  # RANGE: peers together
        (windowed("SUM(pieces) OVER (PARTITION BY shop_id ORDER BY id)"), by_id(2, 3, 5, 5, 4, 3)),
    ),
    construct(
        "window frames",
        OVER,
        (windowed("SUM(pieces) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)"), by_id(2, 3, 6, 5, 4, 7)),
        (windowed("SUM(pieces) OVER (ORDER BY id ROWS 1 PRECEDING)"), by_id(2, 3, 6, 5, 4, 7)),
        (
            windowed("SUM(pieces) OVER (ORDER BY id ROWS BETWEEN 1 FOLLOWING AND 2 FOLLOWING)"),
            by_id(6, 5, 4, 7, 3, None),
        ),
        (
            windowed("COUNT(*) OVER (ORDER BY day RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)"),
            by_id(1, 3, 3, 4, 5, 6),
        ),
        (windowed("MAX(pieces) OVER (ORDER BY id ROWS UNBOUNDED PRECEDING)"), by_id(2, 2, 5, 5, 5, 5)),
        (windowed("SUM(pieces) OVER (ORDER BY id RANGE BETWEEN 1 PRECEDING AND CURRENT ROW)"), ERROR),
        (windowed("SUM(pieces) OVER (ROWS UNBOUNDED PRECEDING)"), ERROR),
    ),
    construct(
        "CUME_DIST and PERCENT_RANK",
        f"{F}/cume-dist-transact-sql",
        (windowed("CUME_DIST() OVER (ORDER BY id)"), by_id(*(n / 6 for n in range(1, 7)))),
        (windowed("PERCENT_RANK() OVER (ORDER BY id)"), by_id(*(n / 5 for n in range(6)))),
        (windowed("CUME_DIST() OVER (ORDER BY pieces)"), by_id(*(n / 6 for n in (3, 2, 6, 1, 5, 4)))),
    ),
    construct(
        "PERCENTILE_CONT",
        f"{F}/percentile-cont-transact-sql",
        (windowed("PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY pieces) OVER ()"), by_id(*[3.0] * 6)),
        (
            windowed("PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY pieces) OVER (PARTITION BY shop_id)"),
            by_id(1.5, 1.5, 5.0, 5.0, 4.0, 3.0),
        ),
        (windowed("PERCENTILE_CONT(0.25) WITHIN GROUP (ORDER BY amount) OVER ()"), by_id(*[7.77] * 6)),
        ("SELECT PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY pieces) AS x FROM gold.sale", ERROR),
        (
            "SELECT id, PERCENTILE_CONT(0.3) WITHIN GROUP (ORDER BY id) OVER () AS x FROM gold.shop",
            by_id(*[1.9] * 4),
        ),
    ),
    construct(
        "PERCENTILE_DISC",
        f"{F}/percentile-disc-transact-sql",
        (windowed("PERCENTILE_DISC(0.5) WITHIN GROUP (ORDER BY pieces) OVER ()"), by_id(*[3] * 6)),
        ("SELECT id, PERCENTILE_DISC(0.3) WITHIN GROUP (ORDER BY id) OVER () AS x FROM gold.shop", by_id(*[2] * 4)),
        ("SELECT id, PERCENTILE_DISC(0.75) WITHIN GROUP (ORDER BY id) OVER () AS x FROM gold.shop", by_id(*[3] * 4)),
        (
            windowed("PERCENTILE_DISC(0.5) WITHIN GROUP (ORDER BY pieces) OVER (PARTITION BY shop_id)"),
            by_id(1, 1, 5, 5, 4, 3),
        ),
    ),
    construct(
        "window function in WHERE",
        OVER,
        ("SELECT id FROM gold.sale WHERE ROW_NUMBER() OVER (ORDER BY id) = 1", ERROR),
        (
            "SELECT r.id FROM (SELECT id, ROW_NUMBER() OVER (ORDER BY id DESC) AS n FROM gold.sale) AS r WHERE r.n = 1",
            [(6,)],
        ),
    ),
    construct(
        "WINDOW clause",
        "t-sql/queries/select-window-transact-sql",
        ("SELECT id, SUM(pieces) OVER w AS x FROM gold.sale WINDOW w AS (ORDER BY id)", by_id(2, 3, 8, 8, 12, 15)),
    ),
]
