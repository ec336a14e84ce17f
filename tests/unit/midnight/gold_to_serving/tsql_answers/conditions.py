"""CASE, COALESCE, ISNULL, NULLIF, IIF and CHOOSE."""

from __future__ import annotations

from tests.unit.midnight.gold_to_serving.tsql_answers.corpus import ERROR, UNPROVED, Construct, D, construct, number

L = "t-sql/language-elements"
EQUALS = f"{L}/string-comparison-assignment"


CONSTRUCTS: list[Construct] = [
    construct(
        "CASE WHEN",
        f"{L}/case-transact-sql",
        ("CASE WHEN i > 0 THEN 'plus' WHEN i < 0 THEN 'minus' END", ["plus", "minus", None, None, "plus"]),
        ("CASE WHEN i > 0 THEN 1 ELSE 2.5 END", [D("1.0"), D("2.5"), D("2.5"), D("2.5"), D("1.0")]),
        ("CASE WHEN i IS NULL THEN 'none' ELSE CAST(i AS VARCHAR(11)) END", ["7", "-7", "0", "none", "2147483647"]),
        ("CASE WHEN i > 0 THEN 'x' ELSE 1 END", ERROR),
        ("CASE WHEN 1 = 1 THEN CAST('2024-01-01' AS DATE) ELSE 5 END", ERROR),
        table="numbers",
    ),
    construct(
        "simple CASE",
        f"{L}/case-transact-sql",
        (
            "CASE i WHEN 7 THEN 'seven' WHEN 0 THEN 'zero' ELSE 'other' END",
            ["seven", "other", "zero", "other", "other"],
        ),
        ("CASE i WHEN NULL THEN 'null' ELSE 'not' END", ["not"] * 5),
        ("CASE b WHEN 1 THEN 'yes' WHEN 0 THEN 'no' END", ["yes", "no", None, None, "yes"]),
        table="numbers",
    ),
    construct(
        "CASE over text with trailing blanks",
        EQUALS,
        ("CASE t WHEN 'ab' THEN 'hit' ELSE 'miss' END", ["miss", "miss", "hit", "miss", "miss", "miss", "miss"]),
        (
            "CASE WHEN t = '' THEN 'empty' ELSE 'not' END",
            ["not", "empty", "not", "not", "not", "not", "not"],
        ),
        table="texts",
    ),
    construct(
        "COALESCE",
        f"{L}/coalesce-transact-sql",
        ("COALESCE(i, 0)", [7, -7, 0, 0, 2147483647], "int"),
        ("COALESCE(NULL, 1, 2.5)", [number("1")] * 5),
        ("COALESCE(CAST(NULL AS VARCHAR(2)), 'abcdef')", ["abcdef"] * 5),
        ("COALESCE(i, d)", [number("7"), number("-7"), number("0"), None, number("2147483647")]),
        ("COALESCE(i, 'x')", ERROR),
        ("COALESCE(CAST(NULL AS DECIMAL(38,2)), CAST(1.555 AS DECIMAL(38,18)))", UNPROVED),
        table="numbers",
    ),
    construct(
        "ISNULL",
        "t-sql/functions/isnull-transact-sql",
        ("ISNULL(i, 0)", [7, -7, 0, 0, 2147483647], "int"),
        ("ISNULL(CAST(NULL AS VARCHAR(2)), 'abcdef')", ["ab"] * 5, "varchar(2)"),
        ("ISNULL(CAST(NULL AS INT), 1.9)", [1] * 5, "int"),
        ("ISNULL(m, 0)", [D("19.99"), D("-0.05"), D("0.00"), D("0.00"), D("99999999.99")], "decimal(10,2)"),
        ("ISNULL(b, 0)", [1, 0, 0, 0, 1], "bit"),
        ("ISNULL(NULL, 'x')", ["x"] * 5),
        table="numbers",
    ),
    construct(
        "ISNULL of a computed text",
        "t-sql/functions/isnull-transact-sql",
        (
            "ISNULL(NULLIF(LTRIM(RTRIM(t)), ''), 'none')",
            ["abc", "none", "ab", "none", "Größe", "x", "12"],
            "varchar(50)",
        ),
        ("ISNULL(UPPER(CAST(NULL AS VARCHAR(2))), 'abcdef')", ["ab"] * 7, "varchar(2)"),
        ("ISNULL(CAST(NULL AS VARCHAR(1)) + 'b', 'abcdef')", ["ab"] * 7, "varchar(2)"),
        ("ISNULL(t, 'none')", ["abc", "", "ab  ", "none", "Größe", " x", "12"], "varchar(50)"),
        table="texts",
    ),
    construct(
        "NULLIF",
        f"{L}/nullif-transact-sql",
        ("NULLIF(i, 0)", [7, -7, None, None, 2147483647], "int"),
        ("NULLIF('a', 'b')", ["a"] * 5),
        ("NULLIF('ab', 'ab  ')", [None] * 5),
        ("NULLIF(2.50, 2.5)", [None] * 5),
        table="numbers",
    ),
    construct(
        "IIF",
        "t-sql/functions/logical-functions-iif-transact-sql",
        ("IIF(i > 0, 'plus', 'not')", ["plus", "not", "not", "not", "plus"]),
        ("IIF(45 > 30, 'TRUE', 'FALSE')", ["TRUE"] * 5),
        ("IIF(1 = 1, NULL, 'x')", [None] * 5),
        ("IIF(1 = 1, 1, 2.5)", [D("1.0")] * 5),
        ("IIF(1 = 1, NULL, NULL)", ERROR),
        table="numbers",
    ),
    construct(
        "CHOOSE",
        "t-sql/functions/logical-functions-choose-transact-sql",
        ("CHOOSE(3, 'Manager', 'Director', 'Developer', 'Tester')", "Developer"),
        ("CHOOSE(0, 'a', 'b')", None),
        ("CHOOSE(3, 'a', 'b')", None),
        ("CHOOSE(CAST(NULL AS INT), 'a', 'b')", None),
        ("CHOOSE(1, 1, 2.5)", number("1")),
    ),
]
