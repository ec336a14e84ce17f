"""``x AT TIME ZONE 'UTC' AT TIME ZONE 'W. Europe Standard Time'``: a UTC time as local time.

The result is kept as the local time; it can be cast to datetime2 or date. Windows' names of zones -> IANA's: the table
windowsZones of the Unicode CLDR, territory 001.
"""

from __future__ import annotations

from midnight.gold_to_serving.tsql.problems import RefusedError
from midnight.gold_to_serving.tsql.sql_pieces import bind
from midnight.gold_to_serving.tsql.typed import Typed
from midnight.gold_to_serving.tsql.types import TIMESTAMPS, SqlType
from midnight.sql_text import text_literal

ZONES = {
    "UTC": "UTC",
    "GMT Standard Time": "Europe/London",
    "Greenwich Standard Time": "Atlantic/Reykjavik",
    "W. Europe Standard Time": "Europe/Berlin",
    "Central Europe Standard Time": "Europe/Budapest",
    "Romance Standard Time": "Europe/Paris",
    "Central European Standard Time": "Europe/Warsaw",
    "GTB Standard Time": "Europe/Bucharest",
    "E. Europe Standard Time": "Europe/Chisinau",
    "FLE Standard Time": "Europe/Kiev",
    "Turkey Standard Time": "Europe/Istanbul",
    "Israel Standard Time": "Asia/Jerusalem",
    "South Africa Standard Time": "Africa/Johannesburg",
    "Russian Standard Time": "Europe/Moscow",
    "Arab Standard Time": "Asia/Riyadh",
    "Arabian Standard Time": "Asia/Dubai",
    "Pakistan Standard Time": "Asia/Karachi",
    "India Standard Time": "Asia/Calcutta",
    "SE Asia Standard Time": "Asia/Bangkok",
    "China Standard Time": "Asia/Shanghai",
    "Singapore Standard Time": "Asia/Singapore",
    "Tokyo Standard Time": "Asia/Tokyo",
    "Korea Standard Time": "Asia/Seoul",
    "AUS Eastern Standard Time": "Australia/Sydney",
    "E. Australia Standard Time": "Australia/Brisbane",
    "New Zealand Standard Time": "Pacific/Auckland",
    "Atlantic Standard Time": "America/Halifax",
    "Eastern Standard Time": "America/New_York",
    "US Eastern Standard Time": "America/Indianapolis",
    "Central Standard Time": "America/Chicago",
    "Canada Central Standard Time": "America/Regina",
    "Mountain Standard Time": "America/Denver",
    "US Mountain Standard Time": "America/Phoenix",
    "Pacific Standard Time": "America/Los_Angeles",
    "Alaskan Standard Time": "America/Anchorage",
    "Hawaiian Standard Time": "Pacific/Honolulu",
    "E. South America Standard Time": "America/Sao_Paulo",
    "Argentina Standard Time": "America/Buenos_Aires",
}
# Synapse uses the rules of Windows, which has no older ones for most zones; DuckDB uses those of IANA.
_FIRST_YEAR = 2007


def at_time_zone(value: Typed, zone: Typed, line: int) -> Typed:
    """Translate ``value AT TIME ZONE zone``; the first zone of a datetime or datetime2 must be UTC.

    Raises:
        RefusedError: the first zone is not UTC, or a zone is not in the table.
    """
    name = zone.text
    if name is None or name not in ZONES:
        found = repr(name) if name is not None else "a zone that is not a constant"
        raise RefusedError(line, f"AT TIME ZONE with {found} is not supported", f"use one of {', '.join(ZONES)}")
    if value.type.kind in TIMESTAMPS and name == "UTC":
        scale = value.type.scale if value.type.kind == "datetime2" else 3
        return Typed(value.sql, SqlType("datetimeoffset", scale=scale))
    if value.type.kind == "datetimeoffset":
        # The first of two zones was UTC; a third one would start from local time.
        if value.sql.startswith("timezone("):
            raise RefusedError(line, "more than two AT TIME ZONE are not supported", "start from UTC again")
        message = f"AT TIME ZONE of a time before {_FIRST_YEAR} is not proved; hint: Windows has no older rules"
        known = f"CASE WHEN year(z) < {_FIRST_YEAR} THEN error('{message}') ELSE z END"
        local = f"timezone({text_literal(ZONES[name])}, timezone('UTC', {bind(value.sql, 'z', known)}))"
        return Typed(local if name != "UTC" else value.sql, value.type)
    hint = "start from UTC: CAST(x AT TIME ZONE 'UTC' AT TIME ZONE '…' AS datetime2)"
    raise RefusedError(line, f"AT TIME ZONE {name!r} of {value.type} is not supported", hint)
