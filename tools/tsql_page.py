"""``docs/tsql.md``, made from the table of constructs that are translated: it cannot go stale."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from pathlib import Path

from midnight.gold_to_serving.tsql.construct import Construct
from midnight.gold_to_serving.tsql.constructs import TABLE
from midnight.gold_to_serving.tsql.refused_constructs import REFUSED_CONSTRUCTS
from midnight.gold_to_serving.tsql.time_zones import ZONES

_LEARN = "https://learn.microsoft.com/sql/t-sql"
_HEAD = """# T-SQL in reporting views

<!-- made from plugins/midnight/gold_to_serving/tsql by python -m tools.generated_files; do not edit -->

After reading this page you know what a view in `include/sql/serving/` can use.

Synapse serverless gets the view as it is written.
The local profile gets a translation to DuckDB, and only of what this page lists: each construct was proved with the
answers of Microsoft's documentation (`tests/unit/midnight/gold_to_serving/tsql_answers`).
Everything else is refused before a run, with file, line and another way to write it.
An error that T-SQL raises while a query runs (division by zero, overflow, a text that is not a number) is an error in
DuckDB too.

## Views for Synapse alone

A view whose first line is `-- midnight: azure only` is not translated.
Its grammar, the views that it reads and its columns are checked; a local run says that it does not publish it.
A view that is published locally cannot read it.

## Rules that surprise

| rule | example |
|---|---|
| Trailing blanks do not make a text different, except for `LIKE` with `nvarchar` | `'ab' = 'ab '` |
| Texts are compared by code point, so upper and lower case differ | `'a' <> 'A'` |
| `VARCHAR(n)` counts bytes of UTF-8, `NVARCHAR(n)` byte pairs; `CAST` cuts | `CAST('né' AS varchar(2)) = 'n'` |
| `VARCHAR` without a length has 30 in `CAST` and `CONVERT` | |
| A number and a text: `+` makes the text a number | `1 + '2' = 3` |
| Integers divide to integers; decimals keep at least six decimals and are cut off | `7 / 2 = 3` |
| `SUM` of `int` is `int`; `AVG` of `int` is `int` | `AVG` of 1 and 2 is 1 |
| NULL sorts first | |
| Texts become dates as `yyyy-mm-dd` or `yyyymmdd` [time]; others need a style | `CONVERT(date, '31/01/2024', 103)` |
| `DATEPART(weekday)` depends on the session: refused | `DATEDIFF(day, '1900-01-01', x) % 7` is 0 on Mondays |
| `GETDATE()` is in UTC, as on Azure | |

## Types

`bit`, `tinyint`, `smallint`, `int`, `bigint`, `decimal(p,s)` (`numeric`), `real`, `float`, `date`, `time(n)`,
`datetime`, `datetime2(n)`, `char(n)`, `varchar(n)`, `nchar(n)`, `nvarchar(n)` and `varbinary(n)`.
`datetime2` and `time` have microseconds in DuckDB.
Not supported: `money`, `smalldatetime`, `uniqueidentifier`, `xml`, `sql_variant`, and `datetimeoffset` except between
`AT TIME ZONE` and `CAST`.
"""


def tsql_page(root: Path) -> dict[str, str]:
    """The page, as path -> text; ``root`` is not read."""
    sections = [_HEAD]
    for category, rows in groupby(TABLE, key=lambda row: row.category):
        sections.append(f"\n## {category}\n\n| construct | write | example |\n|---|---|---|\n{_lines(rows)}")
    sections.append("\n## Refused, with another way to write it\n\n| construct | reason | instead |\n|---|---|---|\n")
    sections += [f"| `{row.name}` | {row.reason} | {row.hint} |\n" for row in REFUSED_CONSTRUCTS]
    zones = "\n".join(f"| `{windows}` | {iana} |" for windows, iana in ZONES.items())
    sections.append(f"\n## Time zones\n\n| `AT TIME ZONE` | IANA |\n|---|---|\n{zones}\n")
    return {"docs/tsql.md": "".join(sections)}


def _lines(rows: Iterable[Construct]) -> str:
    return "".join(
        f"| [{_cell(row.name)}]({_LEARN}/{row.page}) | `{_cell(row.signature)}` | {_cell(row.example)} |\n"
        for row in rows
    )


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
