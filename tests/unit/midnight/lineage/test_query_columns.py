"""Which columns the results of a query depend on, and how."""

from __future__ import annotations

import pytest

from midnight.lineage.column_uses import ROWS
from midnight.lineage.query_columns import query_columns

SCHEMA = {"a": ["x", "y", "z"], "b": ["x", "w"]}
JOIN = "FROM a INNER JOIN b ON a.x = b.x"


@pytest.mark.parametrize(
    ("sql", "outputs", "conditions"),
    [
        ("SELECT x AS one, a.Y AS two FROM a", {"one": "a.x=identity", "two": "a.y=identity"}, ""),
        ("SELECT x + 1 AS n, CAST(y AS INT) AS m FROM a", {"n": "a.x=transformation", "m": "a.y=transformation"}, ""),
        (f"SELECT a.x, w {JOIN}", {"x": "a.x=identity", "w": "b.w=identity"}, "a.x=join b.x=join"),
        ("SELECT x, w FROM a JOIN b USING (x)", {"x": "a.x=identity b.x=identity", "w": "b.w=identity"},
         "a.x=join b.x=join"),
        ("SELECT y FROM a NATURAL JOIN b", {"y": "a.y=identity"}, "a.x=join b.x=join"),
        ("SELECT x FROM a WHERE y > 1", {"x": "a.x=identity"}, "a.y=filter"),
        ("SELECT * FROM a", {"x": "a.x=identity", "y": "a.y=identity", "z": "a.z=identity"}, ""),
        ("SELECT a.* EXCEPT (x, y) FROM a", {"z": "a.z=identity"}, ""),
        ("WITH c AS (SELECT x, y + 1 AS n FROM a) SELECT n AS m, x FROM c",
         {"m": "a.y=transformation", "x": "a.x=identity"}, ""),
        ("WITH c (k) AS (SELECT x FROM a WHERE z = 1) SELECT count(*) AS n, max(k) AS m FROM c",
         {"n": "", "m": "a.x=aggregation"}, "a.z=filter"),
        ("SELECT x FROM a UNION ALL SELECT w FROM b", {"x": "a.x=identity b.w=identity"}, ""),
        ("SELECT x FROM a UNION SELECT w FROM b", {"x": "a.x=identity b.w=identity"}, "a.x=group b.w=group"),
        ("SELECT x FROM a EXCEPT SELECT w FROM b", {"x": "a.x=identity"}, "a.x=group b.w=group"),
        ("SELECT x FROM a WHERE x IN (SELECT b.x FROM b WHERE b.w = 2)", {"x": "a.x=identity"},
         "a.x=filter b.x=filter b.w=filter"),
        ("SELECT x FROM a WHERE EXISTS (SELECT 1 FROM b WHERE b.w = a.y)", {"x": "a.x=identity"},
         "a.y=filter b.w=filter"),
        ("SELECT y, (SELECT max(w) FROM b WHERE b.x = a.x) AS m FROM a",
         {"y": "a.y=identity", "m": "a.x=filter b.w=aggregation b.x=filter b.*=rows"}, ""),
        ("SELECT x, sum(y) AS s FROM a GROUP BY 1 HAVING max(z) > 2", {"x": "a.x=identity", "s": "a.y=aggregation"},
         "a.x=group a.z=filter"),
        ("SELECT x AS k, sum(y) AS s FROM a GROUP BY k", {"k": "a.x=identity", "s": "a.y=aggregation"}, "a.x=group"),
        ("SELECT DISTINCT x FROM a ORDER BY x", {"x": "a.x=identity"}, "a.x=group"),
        ("SELECT x FROM a ORDER BY y LIMIT 1", {"x": "a.x=identity"}, "a.y=sort"),
        ("SELECT sum(y) OVER (PARTITION BY z ORDER BY x) AS s FROM a", {"s": "a.y=aggregation a.z=window a.x=window"},
         ""),
        ("SELECT sum(y) OVER w AS s FROM a WINDOW w AS (PARTITION BY z)", {"s": "a.y=aggregation a.z=window"}, ""),
        ("SELECT x FROM a QUALIFY row_number() OVER (ORDER BY z) = 1", {"x": "a.x=identity"}, "a.z=filter"),
        ("SELECT CASE WHEN x > 1 THEN y ELSE z END AS c FROM a",
         {"c": "a.x=condition a.y=transformation a.z=transformation"}, ""),
        ("SELECT count_if(x > 1) AS c, sum(y) FILTER (WHERE z = 1) AS s FROM a",
         {"c": "a.x=aggregation", "s": "a.y=aggregation a.z=condition"}, ""),
        ("SELECT x + 1 AS n, n * 2 AS m FROM a", {"n": "a.x=transformation", "m": "a.x=transformation"}, ""),
        ("SELECT n.m FROM (SELECT y AS m FROM a) AS n", {"m": "a.y=identity"}, ""),
        ("SELECT x, e FROM a LATERAL VIEW explode(y) t AS e", {"x": "a.x=identity", "e": "a.y=transformation"},
         "a.y=filter"),
        ("SELECT transform(y, i -> i + x) AS t FROM a", {"t": "a.x=transformation a.y=transformation"}, ""),
        ("SELECT one.y FROM a AS one JOIN a AS two ON one.x = two.z", {"y": "a.y=identity"}, "a.x=join a.z=join"),
        ("WITH RECURSIVE r AS (SELECT x FROM a UNION ALL SELECT b.w FROM b JOIN r ON r.x = b.x) SELECT x FROM r",
         {"x": "a.x=identity b.w=identity"}, "a.x=join b.x=join"),
        ("SELECT * FROM a PIVOT (sum(y) FOR z IN (1 AS one))", {"x": "a.x=identity"}, "a.y=group a.z=group"),
        ("SELECT one FROM a PIVOT (sum(y) FOR z IN (1 AS one))", {"one": "a.y=aggregation a.z=aggregation"},
         "a.y=group a.z=group"),
        ("SELECT unknown_table.q FROM unknown_table", {"q": "unknown_table.q=identity"}, ""),
        ("this does not parse (", {}, ""),
    ],
)  # fmt: skip
def test_each_result_column_with_its_sources(sql: str, outputs: dict[str, str], conditions: str) -> None:
    found = query_columns(sql, "spark", SCHEMA)
    assert {name: shown(uses) for name, uses in found.outputs.items()} == {
        name: set(text.split()) for name, text in outputs.items()
    }
    assert {text for text in shown(found.conditions) if not text.endswith("=rows")} == set(conditions.split())


def shown(uses) -> set[str]:
    return {f"{table}.{column}={use}" for (table, column), use in uses.items()}


def test_a_column_that_reaches_no_result_is_still_read() -> None:
    found = query_columns("WITH c AS (SELECT x, y FROM a), d AS (SELECT w FROM b) SELECT x FROM c", "spark", SCHEMA)
    assert found.reads == {("a", "x"), ("a", "y"), ("b", "w")}
    assert (found.conditions, found.tables) == ({("a", ROWS): "rows"}, ("a",))


@pytest.mark.parametrize(
    ("sql", "reasons"),
    [
        ("SELECT a.q, y FROM a", ["names 'a.q', which nothing in its FROM has"]),
        ("SELECT x FROM c", ["reads 'c', whose columns are not known"]),
        ("SELECT x FROM (", ["its SQL cannot be parsed: Expected table name but got near '('"]),
        ("DELETE FROM a", ["its SQL is not a query"]),
        ("SELECT y.f.g, transform(y, i -> i.k), timestampadd(MONTH, 1, x), explode(z) FROM a", []),
    ],
)
def test_what_cannot_be_followed_is_said(sql: str, reasons: list[str]) -> None:
    assert list(query_columns(sql, "spark", SCHEMA).unknown) == reasons


def test_the_columns_of_a_star_are_not_named() -> None:
    assert query_columns("WITH c AS (SELECT * FROM a) SELECT x FROM c", "spark", SCHEMA).reads == {("a", "x")}


def test_a_view_in_transact_sql() -> None:
    found = query_columns(
        "CREATE OR ALTER VIEW reporting.v AS SELECT TOP 3 [f].[Day], PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY f.m) "
        "OVER (PARTITION BY f.k) AS p FROM gold.Fact AS f CROSS APPLY (SELECT f.n + 1 AS q) AS u ORDER BY u.q",
        "tsql",
        {"gold.fact": ["Day", "m", "k", "n"]},
    )
    assert {name: shown(uses) for name, uses in found.outputs.items()} == {
        "day": {"gold.fact.day=identity"},
        "p": {"gold.fact.m=aggregation", "gold.fact.k=window"},
    }
    assert shown(found.conditions) == {"gold.fact.n=sort", "gold.fact.*=rows"}
    assert found.columns == ["Day", "p"]
