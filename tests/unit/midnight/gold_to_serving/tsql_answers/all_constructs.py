"""The whole corpus in one list."""

from __future__ import annotations

from tests.unit.midnight.gold_to_serving.tsql_answers import (
    aggregates,
    arithmetic,
    casts,
    comparisons,
    conditions,
    conversions,
    dates,
    formats,
    joins,
    json_and_splits,
    more_reports,
    number_functions,
    queries,
    reports,
    text,
    text_casts,
    windows,
)

_MODULES = (
    *(casts, text_casts, conversions, arithmetic, number_functions, text, conditions, comparisons, dates, formats),
    *(aggregates, windows, joins, queries, json_and_splits, reports, more_reports),
)
CONSTRUCTS = [item for module in _MODULES for item in module.CONSTRUCTS]
