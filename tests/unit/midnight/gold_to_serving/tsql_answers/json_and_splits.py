"""JSON, STRING_SPLIT and GENERATE_SERIES."""

from __future__ import annotations

from tests.unit.midnight.gold_to_serving.tsql_answers.corpus import ERROR, Construct, D, construct

Q = "t-sql/queries"
FROM = f"{Q}/from-transact-sql"

CONSTRUCTS: list[Construct] = [
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
]
