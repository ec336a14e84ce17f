"""FORMAT of dates and times: .NET's patterns in culture en-US as DuckDB SQL.

Source: learn.microsoft.com/dotnet/standard/base-types/standard-date-and-time-format-strings,
custom-date-and-time-format-strings and (for time) custom-timespan-format-strings.
"""

from __future__ import annotations

import re

from midnight.gold_to_serving.tsql.sql_pieces import FormatRefusedError, bind, join_text
from midnight.gold_to_serving.tsql.types import SqlType
from midnight.sql_text import text_literal

_STANDARD = {
    "d": "M/d/yyyy",
    "D": "dddd, MMMM d, yyyy",
    "f": "dddd, MMMM d, yyyy h:mm tt",
    "F": "dddd, MMMM d, yyyy h:mm:ss tt",
    "g": "M/d/yyyy h:mm tt",
    "G": "M/d/yyyy h:mm:ss tt",
    "m": "MMMM d",
    "M": "MMMM d",
    "o": "yyyy-MM-dd'T'HH:mm:ss.fffffff",
    "O": "yyyy-MM-dd'T'HH:mm:ss.fffffff",
    "r": "ddd, dd MMM yyyy HH:mm:ss 'GMT'",
    "R": "ddd, dd MMM yyyy HH:mm:ss 'GMT'",
    "s": "yyyy-MM-dd'T'HH:mm:ss",
    "t": "h:mm tt",
    "T": "h:mm:ss tt",
    "u": "yyyy-MM-dd HH:mm:ss'Z'",
    "y": "MMMM yyyy",
    "Y": "MMMM yyyy",
}
# Letter -> strftime by the number of letters; longer runs mean the same as the longest.
_SPECIFIERS = {
    "d": ("%-d", "%d", "%a", "%A"),
    "h": ("%-I", "%I"),
    "H": ("%-H", "%H"),
    "m": ("%-M", "%M"),
    "M": ("%-m", "%m", "%b", "%B"),
    "s": ("%-S", "%S"),
}
_TOKEN = re.compile(
    r"""(?P<quoted>'[^']*'|"[^"]*")|\\(?P<escaped>.)|"""
    r"""(?:%(?=(?P<one>.)(?!(?P=one))))?(?P<run>(?P<letter>[dfFgHhKmMstyz])(?P=letter)*)|(?P<text>.)""",
    re.DOTALL,
)
_ESCAPED_TIME = "of a time, escape what is not a specifier: 'hh\\:mm', or CAST the time to DATETIME2 first"


def format_date(operand: str, type_: SqlType, pattern: str) -> str:
    """DuckDB SQL for ``FORMAT(operand, pattern)`` in culture en-US; the result is VARCHAR.

    Args:
        operand: DuckDB SQL of a DATE, TIMESTAMP or TIME.
        type_: date, datetime, datetime2 or time.
        pattern: a standard (``d``) or custom (``yyyy-MM-dd``) pattern of .NET.

    Raises:
        FormatRefusedError: the pattern is not valid, or has no proved counterpart.
    """
    if not pattern:
        raise FormatRefusedError("FORMAT with an empty pattern", "write the pattern, for example 'yyyy-MM-dd'")
    if type_.kind == "time":
        return bind(operand, "v", join_text(_time_parts(pattern)))
    if len(pattern) == 1 and pattern not in _STANDARD:
        raise FormatRefusedError(
            f"FORMAT pattern {pattern!r} has no counterpart: a single letter is a standard pattern of .NET",
            f"use one of {', '.join(_STANDARD)}, or write '%{pattern}'",
        )
    parts = [part for match in _TOKEN.finditer(_STANDARD.get(pattern, pattern)) for part in _date_part(match, pattern)]
    return bind(f"CAST({operand} AS TIMESTAMP)", "v", join_text(_merged(parts)))


def _date_part(match: re.Match[str], pattern: str) -> list[str]:
    """The strftime text of a token (starts with '%'), or an SQL expression over v."""
    literal = _literal(match, pattern)
    if literal is not None:
        return [literal.replace("%", "%%")] if literal else []
    letter, count = match["letter"], len(match["run"])
    if letter in _SPECIFIERS:
        return [_SPECIFIERS[letter][min(count, len(_SPECIFIERS[letter])) - 1]]
    if letter == "y" and count in (1, 2, 4):
        return [{1: "%-y", 2: "%y", 4: "%Y"}[count]]
    if letter == "t":
        return ["%p"] if count > 1 else ["\0left(strftime(v, '%p'), 1)"]
    if letter == "f" and count <= 7:
        return ["%f" + "0" * (count - 6)] if count >= 6 else [f"\0left(strftime(v, '%f'), {count})"]
    raise FormatRefusedError(
        f"FORMAT pattern {pattern!r}: {match['run']!r} has no proved counterpart",
        "use d, M, y (yy, yyyy), H, h, m, s, f and t, or quote literal text",
    )


def _literal(match: re.Match[str], pattern: str) -> str | None:
    """The literal text of a token; None for a specifier."""
    if match["quoted"]:
        return match["quoted"][1:-1]
    if match["escaped"]:
        return match["escaped"]
    if match["text"] in ("'", '"', "\\", "%"):
        raise FormatRefusedError(
            f"FORMAT pattern {pattern!r} returns NULL in T-SQL: {match['text']!r} is not escaped", "write it as '\\%'"
        )
    return match["text"] or None


def _merged(parts: list[str]) -> list[str]:
    """Merge neighbouring strftime texts into one call."""
    sql: list[str] = []
    run = ""
    for part in [*parts, "\0"]:
        if not part.startswith("\0"):
            run += part
            continue
        if run:
            sql.append(f"strftime(v, {text_literal(run)})")
        run = ""
        if part != "\0":
            sql.append(part[1:])
    return sql


def _time_parts(pattern: str) -> list[str]:
    """Format a time: TimeSpan has other specifiers than DateTime, and text must be escaped."""
    names = {"h": "hour(v)", "m": "minute(v)", "s": "second(v)"}
    parts = []
    for match in _TOKEN.finditer(pattern) if len(pattern) > 1 else ():
        count = len(match["run"] or "")
        if match["quoted"] or match["escaped"]:
            parts.append(text_literal(match["quoted"][1:-1] if match["quoted"] else match["escaped"]))
        elif match["letter"] in names and count <= 2:
            parts.append(
                f"lpad(CAST({names[match['letter']]} AS VARCHAR), {max(count, 2)}, '0')"
                if count == 2
                else f"CAST({names[match['letter']]} AS VARCHAR)"
            )
        elif match["letter"] == "f" and count <= 7:
            parts.append(f"left(strftime(CAST('2000-01-01' AS DATE) + v, '%f') || '0', {count})")
        else:
            raise FormatRefusedError(f"FORMAT of a time with {pattern!r} returns NULL in T-SQL", _ESCAPED_TIME)
    if not parts:
        raise FormatRefusedError(f"FORMAT of a time with {pattern!r} has no proved counterpart", _ESCAPED_TIME)
    return parts
