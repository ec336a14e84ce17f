"""The table: every construct that is translated, and the known ones that are refused with another way to write them.

What is in no row is refused. ``docs/tsql.md`` is generated from this table; the tests execute each row's functions.
"""

from __future__ import annotations

from midnight.gold_to_serving.tsql.aggregates import AGGREGATE_FUNCTIONS
from midnight.gold_to_serving.tsql.construct import Construct, Refused, by_name
from midnight.gold_to_serving.tsql.date_functions import DATE_FUNCTIONS
from midnight.gold_to_serving.tsql.json_functions import JSON_FUNCTIONS
from midnight.gold_to_serving.tsql.logic_functions import LOGIC_FUNCTIONS
from midnight.gold_to_serving.tsql.number_functions import NUMBER_FUNCTIONS
from midnight.gold_to_serving.tsql.text_functions import TEXT_FUNCTIONS
from midnight.gold_to_serving.tsql.windows import WINDOW_FUNCTIONS


def _rows(category: str, page: str, *rows: tuple[str, str, str]) -> tuple[Construct, ...]:
    return tuple(Construct(name, category, signature, example, page) for name, signature, example in rows)


_OPERATORS = (
    *_rows(
        "Operators",
        "language-elements/arithmetic-operators-transact-sql",
        ("+ of numbers", "number + number; a text becomes a number", "-7 + '1' = -6"),
        ("-", "number - number", "7 - 1.5 = 5.5"),
        ("*", "number * number: decimal(p1+p2+1, s1+s2), within 38 digits", "1.5 * 2 = 3.0"),
        (
            "/",
            "number / number: integers are cut off; decimals have at least six decimals, cut off",
            "7 / 2 = 3; 2.0 / 3 = 0.666666",
        ),
        ("%", "number % number, not float: the sign of the first", "-7 % 2 = -1"),
        ("-x", "-number", "-(1.5) = -1.5"),
    ),
    *_rows(
        "Operators",
        "language-elements/string-concatenation-transact-sql",
        ("+ of texts", "text + text: NULL when one is NULL; cut at 8000 bytes unless MAX", "'a' + NULL IS NULL"),
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
_CONDITIONS = (
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
_CASTS = (
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
_QUERIES = (
    *_rows(
        "Queries",
        "queries/from-transact-sql",
        ("INNER JOIN", "a JOIN b ON condition", "trailing blanks of texts do not count"),
        ("LEFT JOIN", "a LEFT [OUTER] JOIN b ON condition", "NULL where there is none"),
        ("RIGHT JOIN", "a RIGHT [OUTER] JOIN b ON condition", "NULL where there is none"),
        ("FULL JOIN", "a FULL [OUTER] JOIN b ON condition", "NULL where there is none"),
        ("CROSS JOIN", "a CROSS JOIN b, and a, b", "every pair"),
        ("CROSS APPLY", "a CROSS APPLY (SELECT … | VALUES …) AS x", "for each row of a"),
        ("OUTER APPLY", "a OUTER APPLY (SELECT … | VALUES …) AS x", "NULL where there is none"),
        ("Derived table", "(SELECT …) AS x (a, b)", "needs a name"),
        ("PIVOT", "x PIVOT (SUM(a) FOR b IN ([2024], [2025])) AS p", "NULL where there is none"),
        ("UNPIVOT", "x UNPIVOT (value FOR name IN (a, b)) AS u", "NULL is left out; the columns have one type"),
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
        ("SELECT DISTINCT", "SELECT DISTINCT a, b", "'ab' and 'ab ' are one"),
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
TABLE: tuple[Construct, ...] = (
    *_QUERIES,
    *_CONDITIONS,
    *_OPERATORS,
    *_CASTS,
    *TEXT_FUNCTIONS,
    *NUMBER_FUNCTIONS,
    *DATE_FUNCTIONS,
    *LOGIC_FUNCTIONS,
    *AGGREGATE_FUNCTIONS,
    *WINDOW_FUNCTIONS,
    *JSON_FUNCTIONS,
)
FUNCTIONS = by_name((TEXT_FUNCTIONS, NUMBER_FUNCTIONS, DATE_FUNCTIONS, LOGIC_FUNCTIONS, JSON_FUNCTIONS))

_SESSION = "its answer depends on the reader's session"
REFUSED_CONSTRUCTS = (
    Refused(
        "STR",
        "how it rounds floating-point numbers is not documented",
        "write FORMAT(x, 'N2') or CAST(x AS decimal(10,2))",
    ),
    Refused("ISNUMERIC", "it is true for signs and currency symbols", "write TRY_CAST(x AS decimal(18,4)) IS NOT NULL"),
    Refused("ISDATE", _SESSION, "write TRY_CONVERT(date, x, 23) IS NOT NULL"),
    Refused("SOUNDEX", "it is not proved", "compare texts in the gold model"),
    Refused("DIFFERENCE", "it is not proved", "compare texts in the gold model"),
    Refused("NEWID", "it gives another value each time", "make a key in the gold model"),
    Refused("RAND", "it gives another value each time", "remove it"),
    Refused("CHECKSUM", "its algorithm is not documented", "write HASHBYTES('SHA2_256', x)"),
    Refused("BINARY_CHECKSUM", "its algorithm is not documented", "write HASHBYTES('SHA2_256', x)"),
    Refused("CHECKSUM_AGG", "its algorithm is not documented", "write COUNT and SUM"),
    Refused("APPROX_COUNT_DISTINCT", "its answer is approximate", "write COUNT(DISTINCT x)"),
    Refused(
        "JSON_QUERY",
        "it shows a part of the text as it was written, which DuckDB does not keep",
        "write JSON_VALUE or OPENJSON",
    ),
    Refused("JSON_MODIFY", "it is not proved", "change the document in the gold model"),
    Refused("STRING_ESCAPE", "it is not proved", "write REPLACE"),
    Refused("SWITCHOFFSET", "datetimeoffset is not supported", "write x AT TIME ZONE 'UTC' AT TIME ZONE '…' in a CAST"),
    Refused(
        "TODATETIMEOFFSET", "datetimeoffset is not supported", "write x AT TIME ZONE 'UTC' AT TIME ZONE '…' in a CAST"
    ),
    Refused("SYSDATETIMEOFFSET", "datetimeoffset is not supported", "write SYSUTCDATETIME()"),
    Refused("DATETIMEOFFSETFROMPARTS", "datetimeoffset is not supported", "write DATETIME2FROMPARTS"),
    Refused("SMALLDATETIMEFROMPARTS", "smalldatetime is not supported", "write DATETIME2FROMPARTS"),
    Refused("DATE_BUCKET", "it is not proved", "write DATETRUNC, or DATEADD with DATEDIFF"),
    Refused("SUSER_SNAME", _SESSION, "filter by rights in Power BI"),
    Refused("USER_NAME", _SESSION, "filter by rights in Power BI"),
    Refused("CURRENT_USER", _SESSION, "filter by rights in Power BI"),
    Refused("SESSION_USER", _SESSION, "filter by rights in Power BI"),
    Refused("SYSTEM_USER", _SESSION, "filter by rights in Power BI"),
    Refused("CURRENT_DATE", "it is not supported in Synapse serverless", "write CAST(GETUTCDATE() AS date)"),
    Refused("GENERATE_SERIES", "it is not supported in Synapse serverless", "join a date dimension, or VALUES"),
    Refused("LENGTH", "T-SQL has no LENGTH", "write LEN(x)"),
    Refused("SUBSTR", "T-SQL has no SUBSTR", "write SUBSTRING(x, start, length)"),
    Refused("NVL", "T-SQL has no NVL", "write ISNULL(a, b)"),
    Refused("IFNULL", "T-SQL has no IFNULL", "write ISNULL(a, b)"),
    Refused("IF", "T-SQL has no IF function", "write IIF(condition, a, b)"),
    Refused("NOW", "T-SQL has no NOW", "write GETUTCDATE()"),
    Refused("DATE_TRUNC", "T-SQL has no DATE_TRUNC", "write DATETRUNC(month, x)"),
    Refused("TO_CHAR", "T-SQL has no TO_CHAR", "write FORMAT or CONVERT"),
    Refused("TO_DATE", "T-SQL has no TO_DATE", "write CONVERT(date, x, style)"),
    Refused("MOD", "T-SQL has no MOD", "write a % b"),
    Refused("LN", "T-SQL has no LN", "write LOG(x)"),
    Refused("POW", "T-SQL has no POW", "write POWER(x, y)"),
    Refused("CEIL", "T-SQL has no CEIL", "write CEILING(x)"),
    Refused("TRUNC", "T-SQL has no TRUNC", "write ROUND(x, 0, 1)"),
    Refused("MEDIAN", "T-SQL has no MEDIAN", "write PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY x) OVER (…)"),
)
REFUSED = {row.name: row for row in REFUSED_CONSTRUCTS}
