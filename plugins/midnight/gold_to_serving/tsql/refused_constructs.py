"""Known constructs that are refused, each with another way to write it."""

from __future__ import annotations

from midnight.gold_to_serving.tsql.construct import Refused

_SESSION = "its result depends on the reader's session"
REFUSED_CONSTRUCTS = (
    Refused("ISNUMERIC", "it is true for signs and currency symbols", "write TRY_CAST(x AS decimal(18,4)) IS NOT NULL"),
    Refused("ISDATE", _SESSION, "write TRY_CONVERT(date, x, 23) IS NOT NULL"),
    Refused("SOUNDEX", "it is not proved", "compare texts in the gold model"),
    Refused("DIFFERENCE", "it is not proved", "compare texts in the gold model"),
    Refused("NEWID", "it is not deterministic", "create a key in the gold model"),
    Refused("RAND", "it is not deterministic", "remove it"),
    Refused("CHECKSUM", "its algorithm is not documented", "write HASHBYTES('SHA2_256', x)"),
    Refused("BINARY_CHECKSUM", "its algorithm is not documented", "write HASHBYTES('SHA2_256', x)"),
    Refused("CHECKSUM_AGG", "its algorithm is not documented", "write COUNT and SUM"),
    Refused("APPROX_COUNT_DISTINCT", "its result is approximate", "write COUNT(DISTINCT x)"),
    Refused(
        "JSON_QUERY",
        "it returns a part of the original text, which DuckDB does not keep",
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
