"""``docs/tsql.md``, generated from the table of translated constructs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path

from midnight.gold_to_serving.tsql.construct import Construct
from midnight.gold_to_serving.tsql.constructs import TABLE
from midnight.gold_to_serving.tsql.refused_constructs import REFUSED_CONSTRUCTS
from midnight.gold_to_serving.tsql.time_zones import ZONES
from tools.markdown_lines import COLUMNS, list_item

_LEARN = "https://learn.microsoft.com/sql/t-sql"
# An example that states a value is SQL; the others are remarks.
_IS_SQL = re.compile(r" (=|<|>|<=|>=|IS) ")
_HEAD = """# T-SQL in reporting views

<!-- generated from plugins/midnight/gold_to_serving/tsql by tools.generated_files; do not edit -->

After reading this page you know what a view in `include/sql/serving/` can use.

Synapse serverless gets the unchanged view.
The local profile gets a translation to DuckDB of the constructs that this page lists.
Each of them was tested against the results in Microsoft's documentation
(`tests/unit/midnight/gold_to_serving/tsql_answers`).
Everything else is refused before a run, with file, line and another way to write it.
An error that T-SQL raises while a query runs is an error in DuckDB too.
Examples are division by zero, overflow, and a text that is not a number.

## Views for Synapse only

A view whose first line is `-- midnight: azure only` is not translated.
Its grammar, the views that it reads and its columns are checked.
A local run logs that it does not publish the view.
A view that is published locally cannot read it.

## Rules that surprise

- Trailing blanks do not make texts different, except for `LIKE` with `nvarchar`: `'ab' = 'ab '`
- Texts are compared by code point, so upper and lower case differ: `'a' <> 'A'`
- `VARCHAR(n)` counts bytes of UTF-8, `NVARCHAR(n)` byte pairs.
  `CAST` truncates: `CAST('né' AS varchar(2)) = 'n'`
- `VARCHAR` without a length has length 30 in `CAST` and `CONVERT`.
- A number `+` a text is a number: `1 + '2' = 3`
- The quotient of integers is an integer: `7 / 2 = 3`
- The quotient of decimals has at least six decimals and is truncated.
- `SUM` and `AVG` of `int` are `int`: `AVG` of 1 and 2 is 1.
- NULL sorts first.
- Texts are converted to dates from `yyyy-mm-dd` or `yyyymmdd` [time].
  Other formats need a style: `CONVERT(date, '31/01/2024', 103)`
- `DATEPART(weekday)` depends on the session and is refused.
  Use `DATEDIFF(day, '1900-01-01', x) % 7`, which is 0 on Mondays.
- `GETDATE()` is in UTC, as on Azure.

## Types

`bit`, `tinyint`, `smallint`, `int`, `bigint`, `decimal(p,s)` (`numeric`), `real`, `float`, `date`,
`time(n)`, `datetime`, `datetime2(n)`, `char(n)`, `varchar(n)`, `nchar(n)`, `nvarchar(n)` and
`varbinary(n)`.
`datetime2` and `time` have microseconds in DuckDB.
Not supported: `money`, `smalldatetime`, `uniqueidentifier`, `xml`, `sql_variant`, and
`datetimeoffset` except between `AT TIME ZONE` and `CAST`.
"""


def tsql_page(root: Path) -> dict[str, str]:
    """Return the page, as path -> text; ``root`` is not read."""
    sections = [_HEAD]
    for category, rows in groupby(TABLE, key=lambda row: row.category):
        sections.append(f"\n## {category}\n\n{''.join(map(_entry, rows))}")
    sections.append("\n## Refused, with another way to write it\n\n")
    sections += [list_item(f"`{row.name}`: {row.reason}; {row.hint}") for row in REFUSED_CONSTRUCTS]
    zones = "\n".join(f"| `{windows}` | {iana} |" for windows, iana in ZONES.items())
    sections.append(f"\n## Time zones\n\n| `AT TIME ZONE` | IANA |\n|---|---|\n{zones}\n")
    sections.append(f"\n{_links(row.page for row in TABLE)}")
    return {"docs/tsql.md": "".join(sections)}


def _entry(row: Construct) -> str:
    example = f"`{row.example}`" if _IS_SQL.search(row.example) else row.example
    text = f"[`{row.name}`][{_label(row.page)}]: `{row.signature}`"
    separator = "; " if len(text) + len(example) < COLUMNS - 4 else ";\n"
    return list_item(f"{text}{separator}{example}")


def _label(page: str) -> str:
    return page.rsplit("/", 1)[-1].removesuffix("-transact-sql")


def _links(pages: Iterable[str]) -> str:
    """The link definitions of Microsoft's pages; the address is on a line of its own where both are too long."""
    lines = []
    for page in sorted(set(pages), key=_label):
        label, address = f"[{_label(page)}]:", f"{_LEARN}/{page}"
        lines.append(f"{label}{' ' if len(label) + len(address) < COLUMNS else chr(10) + '    '}{address}\n")
    return "".join(lines)
