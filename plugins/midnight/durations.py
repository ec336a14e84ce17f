"""Ages, durations and shares in words: the same on the page, in alerts and in the terminal."""

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


def describe_percent(percent: float) -> str:
    """``100 %``, ``17 %``, ``0.41 %``; two significant digits below 100, and never 0 for what is not 0."""
    if percent >= 99.5:
        return "100 %" if percent >= 100 else "over 99 %"
    return f"{percent:.2g} %" if percent >= 0.001 or not percent else "under 0.001 %"
