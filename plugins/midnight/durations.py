"""Ages and durations in words: the same on the page, in alerts and in the terminal."""

from __future__ import annotations

from datetime import timedelta


def describe_age(age: timedelta) -> str:
    """An age in its largest unit: ``25 min``, ``31 h``, ``5 days``. ``page.js`` counts on in the same way."""
    minutes = max(0, int(age.total_seconds() // 60))
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 72 * 60 else f"{minutes // (24 * 60)} days"


def describe_duration(seconds: float) -> str:
    """``48 s``, ``12 min``, ``3 h 05 min``."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02d} min"
