"""Values that bronze cannot hold, as PostgreSQL prints them, for messages."""

from __future__ import annotations

import struct

_INFINITY = {2**31 - 1: "infinity", -(2**31): "-infinity", 2**63 - 1: "infinity", -(2**63): "-infinity"}
_DAY_MICROSECONDS = 86_400_000_000
_DAYS_OF_2000 = 730_425  # from 0000-03-01, the first day of a cycle of 400 years
_SPECIAL = {0xC000: "NaN", 0xD000: "Infinity", 0xF000: "-Infinity"}


def date_text(days: int) -> str:
    """A date of any year, infinite or before Christ.

    Args:
        days: since 2000-01-01, as PostgreSQL stores it.
    """
    if days in _INFINITY:
        return _INFINITY[days]
    date, era = _date(days)
    return date + era


def timestamp_text(microseconds: int, has_zone: bool) -> str:
    """A timestamp of any year, infinite or before Christ, in UTC.

    Args:
        microseconds: since 2000-01-01, as PostgreSQL stores it.
        has_zone: the type's text form has a time zone.
    """
    if microseconds in _INFINITY:
        return _INFINITY[microseconds]
    days, time = divmod(microseconds, _DAY_MICROSECONDS)
    seconds, fraction = divmod(time, 1_000_000)
    date, era = _date(days)
    clock = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    if fraction:
        clock += f".{fraction:06}".rstrip("0")
    return f"{date} {clock}{'+00' if has_zone else ''}{era}"


def numeric_text(field: bytes) -> str:
    """A ``numeric``.

    Args:
        field: its binary form.
    """
    groups, weight, sign, scale = struct.unpack_from(">hhHH", field)
    if sign in _SPECIAL:
        return _SPECIAL[sign]
    digits = {weight - number: group for number, group in enumerate(struct.unpack_from(f">{groups}h", field, 8))}
    whole = "".join(f"{digits.get(power, 0):04}" for power in range(max(weight, 0), -1, -1)).lstrip("0") or "0"
    fraction = "".join(f"{digits.get(-1 - number, 0):04}" for number in range(-(-scale // 4)))[:scale]
    return f"{'-' if sign else ''}{whole}{'.' if scale else ''}{fraction}"


def _date(days: int) -> tuple[str, str]:
    """Year, month and day of the Gregorian calendar, also before its time, and the era."""
    cycle, day = divmod(days + _DAYS_OF_2000, 146_097)
    year_of_cycle = (day - day // 1_460 + day // 36_524 - day // 146_096) // 365
    day -= 365 * year_of_cycle + year_of_cycle // 4 - year_of_cycle // 100
    month = (5 * day + 2) // 153  # from March on
    day_of_month = day - (153 * month + 2) // 5 + 1
    year = 400 * cycle + year_of_cycle + (month >= 10)
    era = "" if year > 0 else " BC"
    shown = year if year > 0 else 1 - year
    return f"{shown:04}-{(month + 2) % 12 + 1:02}-{day_of_month:02}", era
