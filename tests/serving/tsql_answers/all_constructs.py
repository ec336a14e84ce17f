"""The whole corpus in one list."""

from __future__ import annotations

from tests.serving.tsql_answers import (
    aggregates,
    arithmetic,
    casts,
    conditions,
    dates,
    formats,
    queries,
    reports,
    text,
    windows,
)

_MODULES = (casts, arithmetic, text, conditions, dates, formats, aggregates, windows, queries, reports)
CONSTRUCTS = [item for module in _MODULES for item in module.CONSTRUCTS]
