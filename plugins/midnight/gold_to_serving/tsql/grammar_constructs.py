"""Rows of the table for constructs of the grammar: operators, conditions, conversions and queries."""

from __future__ import annotations

from midnight.gold_to_serving.tsql.construct import Construct


def _rows(category: str, page: str, *rows: tuple[str, str, str]) -> tuple[Construct, ...]:
    return tuple(Construct(name, category, signature, example, page) for name, signature, example in rows)


OPERATORS = (
    *_rows(
        "Operators",
        "language-elements/arithmetic-operators-transact-sql",
        ("+ of numbers", "number + number; a text becomes a number", "-7 + '1' = -6"),
        ("-", "number - number", "7 - 1.5 = 5.5"),
        ("*", "number * number: decimal(p1+p2+1, s1+s2), within 38 digits", "1.5 * 2 = 3.0"),
        (
            "/",
            "number / number: integers are truncated; decimals have at least six decimals, truncated",
            "7 / 2 = 3; 2.0 / 3 = 0.666666",
        ),
        ("%", "number % number, not float: the sign of the first", "-7 % 2 = -1"),
        ("-x", "-number", "-(1.5) = -1.5"),
    ),
    *_rows(
        "Operators",
        "language-elements/add-transact-sql",
        (
            "+ and - of datetime",
            "datetime + integer: days, of datetime only",
            "CAST('2024-02-29' AS datetime) + 1 = '2024-03-01'",
        ),
    ),
    *_rows(
        "Operators",
        "language-elements/string-concatenation-transact-sql",
        ("+ of texts", "text + text: NULL when one is NULL; truncated at 8000 bytes unless MAX", "'a' + NULL IS NULL"),
    ),
    *_rows(
        "Operators",
        "language-elements/bitwise-operators-transact-sql",
        ("&", "integer & integer", "170 & 75 = 10"),
        ("|", "integer | integer", "170 | 75 = 235"),
        ("^", "integer ^ integer", "170 ^ 75 = 225"),
        ("~", "~integer, ~bit", "~CAST(1 AS int) = -2"),
    ),
)


CONDITIONS = (
    *_rows(
        "Conditions",
        "language-elements/comparison-operators-transact-sql",
        ("=", "a = b; trailing blanks of texts do not count", "'ab' = 'ab ' is true"),
        ("<>", "a <> b, a != b", "'ab' <> 'ab ' is false"),
        ("<", "a < b, a !>= b", "'a' < 'b'"),
        (">", "a > b", "'b' > 'B'"),
        ("<=", "a <= b, a !> b", "1 <= 1"),
        (">=", "a >= b, a !< b", "1 >= 1"),
    ),
    *_rows(
        "Conditions",
        "language-elements/between-transact-sql",
        ("BETWEEN", "x [NOT] BETWEEN a AND b", "2 BETWEEN 1 AND 2"),
    ),
    *_rows(
        "Conditions",
        "language-elements/in-transact-sql",
        ("IN (list)", "x [NOT] IN (a, b, …)", "1 NOT IN (2, NULL) is unknown"),
        ("IN (query)", "x [NOT] IN (SELECT y …)", "NULL in y makes NOT IN unknown"),
    ),
    *_rows(
        "Conditions",
        "language-elements/like-transact-sql",
        (
            "LIKE",
            "text [NOT] LIKE 'pattern' with %, _, [abc], [a-z], [^a-z]",
            "'abc ' LIKE 'abc' is true; N'abc ' LIKE 'abc' is not",
        ),
        ("ESCAPE", "text LIKE 'pattern' ESCAPE '!'", "'50%' LIKE '50!%' ESCAPE '!'"),
    ),
    *_rows(
        "Conditions",
        "language-elements/exists-transact-sql",
        ("EXISTS", "[NOT] EXISTS (SELECT …)", "true with one row"),
    ),
    *_rows(
        "Conditions",
        "language-elements/all-transact-sql",
        ("ALL", "x > ALL (SELECT y …)", "true without rows"),
        ("ANY", "x = ANY (SELECT y …), SOME", "false without rows"),
    ),
    *_rows("Conditions", "queries/is-null-transact-sql", ("IS NULL", "x IS [NOT] NULL", "NULL IS NULL")),
    *_rows(
        "Conditions",
        "queries/is-distinct-from-transact-sql",
        ("IS DISTINCT FROM", "a IS [NOT] DISTINCT FROM b", "NULL IS NOT DISTINCT FROM NULL"),
    ),
    *_rows(
        "Conditions",
        "language-elements/and-transact-sql",
        ("AND, OR, NOT", "conditions with three values", "NOT unknown is unknown"),
    ),
    *_rows(
        "Conditions",
        "language-elements/case-transact-sql",
        (
            "CASE WHEN",
            "CASE WHEN condition THEN a … ELSE b END: the type of highest precedence",
            "ELSE NULL without ELSE",
        ),
        ("CASE x WHEN", "CASE x WHEN a THEN b … END", "NULL equals nothing"),
    ),
)


CASTS = (
    *_rows(
        "Conversions",
        "functions/cast-and-convert-transact-sql",
        ("CAST", "CAST(x AS type)", "CAST(-2.75 AS int) = -2; CAST(2.75 AS decimal(3,1)) = 2.8"),
        ("CONVERT", "CONVERT(type, x)", "CONVERT(int, '12.5') is an error"),
        ("CONVERT of dates with a style", "CONVERT(varchar(n), date, style)", "CONVERT(varchar(6), x, 112) = '202401'"),
        ("CONVERT of texts with a style", "CONVERT(date, text, style)", "CONVERT(date, '31/01/2024', 103)"),
    ),
    *_rows(
        "Conversions",
        "functions/try-cast-transact-sql",
        ("TRY_CAST", "TRY_CAST(x AS type)", "TRY_CAST('12.5' AS int) IS NULL"),
    ),
    *_rows(
        "Conversions",
        "functions/try-convert-transact-sql",
        ("TRY_CONVERT", "TRY_CONVERT(type, x [, style])", "TRY_CONVERT(varchar(2), 'abc') = 'ab'"),
    ),
    *_rows(
        "Conversions",
        "queries/at-time-zone-transact-sql",
        ("AT TIME ZONE", "x AT TIME ZONE 'UTC' AT TIME ZONE 'W. Europe Standard Time', in CAST", "UTC as local time"),
    ),
    *_rows(
        "Conversions",
        "statements/collations",
        ("COLLATE", "COLLATE Latin1_General_100_BIN2_UTF8 only", "the collation of all views"),
    ),
)


QUERIES = (
    *_rows(
        "Queries",
        "queries/from-transact-sql",
        ("INNER JOIN", "a JOIN b ON condition", "trailing blanks of texts do not count"),
        ("LEFT JOIN", "a LEFT [OUTER] JOIN b ON condition", "NULL where no row matches"),
        ("RIGHT JOIN", "a RIGHT [OUTER] JOIN b ON condition", "NULL where no row matches"),
        ("FULL JOIN", "a FULL [OUTER] JOIN b ON condition", "NULL where no row matches"),
        ("CROSS JOIN", "a CROSS JOIN b, and a, b", "all pairs"),
        ("CROSS APPLY", "a CROSS APPLY (SELECT … | VALUES …) AS x", "for each row of a"),
        ("OUTER APPLY", "a OUTER APPLY (SELECT … | VALUES …) AS x", "NULL where no row matches"),
        ("Derived table", "(SELECT …) AS x (a, b)", "needs a name"),
        ("PIVOT", "x PIVOT (SUM(a) FOR b IN ([2024], [2025])) AS p", "NULL where no row matches"),
        ("UNPIVOT", "x UNPIVOT (value FOR name IN (a, b)) AS u", "NULL is ignored; the columns have one type"),
    ),
    *_rows(
        "Queries",
        "queries/table-value-constructor-transact-sql",
        ("VALUES", "(VALUES (1, 'a'), (2, 'b')) AS v (n, t)", "one type for each column"),
    ),
    *_rows(
        "Queries",
        "queries/with-common-table-expression-transact-sql",
        ("WITH", "WITH x AS (SELECT …) SELECT …", "not recursive"),
    ),
    *_rows(
        "Queries",
        "queries/select-transact-sql",
        ("SELECT DISTINCT", "SELECT DISTINCT a, b", "'ab' and 'ab ' are equal"),
        ("Subquery as a value", "(SELECT MAX(x) FROM …)", "more than one row is an error"),
    ),
    *_rows(
        "Queries",
        "language-elements/set-operators-union-transact-sql",
        ("UNION", "SELECT … UNION SELECT …", "the type of highest precedence"),
        ("UNION ALL", "SELECT … UNION ALL SELECT …", "keeps duplicates"),
    ),
    *_rows(
        "Queries",
        "language-elements/set-operators-except-and-intersect-transact-sql",
        ("EXCEPT", "SELECT … EXCEPT SELECT …", "distinct rows"),
        ("INTERSECT", "SELECT … INTERSECT SELECT …", "before UNION and EXCEPT"),
    ),
    *_rows(
        "Queries",
        "queries/select-group-by-transact-sql",
        ("GROUP BY", "GROUP BY a, expression", "'ab' and 'ab ' are one group"),
        ("ROLLUP", "GROUP BY ROLLUP (a, b)", "subtotals and the total"),
        ("CUBE", "GROUP BY CUBE (a, b)", "all combinations"),
        ("GROUPING SETS", "GROUP BY GROUPING SETS ((a, b), (a), ())", "the listed ones"),
    ),
    *_rows(
        "Queries",
        "queries/select-having-transact-sql",
        ("HAVING", "HAVING condition over aggregates", "after grouping"),
    ),
    *_rows(
        "Queries",
        "queries/top-transact-sql",
        ("TOP", "TOP (n) … ORDER BY …", "NULL sorts first"),
        ("TOP PERCENT", "TOP (n) PERCENT … ORDER BY …", "rounded up"),
        ("TOP WITH TIES", "TOP (n) WITH TIES … ORDER BY …", "and the rows equal to the last"),
    ),
    *_rows(
        "Queries",
        "queries/select-order-by-clause-transact-sql",
        ("OFFSET FETCH", "ORDER BY … OFFSET n ROWS FETCH NEXT m ROWS ONLY", "not with TOP"),
    ),
    *_rows(
        "Queries",
        "functions/string-split-transact-sql",
        ("STRING_SPLIT", "STRING_SPLIT(text, ',' [, 1]) in FROM or APPLY", "value, ordinal"),
    ),
    *_rows(
        "Queries",
        "functions/openjson-transact-sql",
        (
            "OPENJSON",
            "OPENJSON(text [, '$.path']) [WITH (name type '$.path', …)]; without WITH: key and value",
            "a row for each element",
        ),
    ),
    *_rows(
        "Queries",
        "queries/select-over-clause-transact-sql",
        ("OVER with aggregates", "SUM(x) OVER (PARTITION BY a ORDER BY b)", "up to the current row with ORDER BY"),
        ("ROWS", "ROWS BETWEEN 2 PRECEDING AND CURRENT ROW", "counts rows"),
        ("RANGE", "RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW", "with the rows equal to the last"),
    ),
)
