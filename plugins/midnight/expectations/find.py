"""Finds the figures of a run that are not as expected: by rules of the configuration, and by what was learnt."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from midnight.configuration.expectations import Expectations, FigureRule
from midnight.errors import ExpectationError
from midnight.expectations.history import Figures, Series, read_figures
from midnight.expectations.learnt import learn
from midnight.names import releasable_figure
from midnight.summary.document import Anomaly

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from midnight.configuration.pipeline import Pipeline
    from midnight.configuration.tables import Table


def find_anomalies(
    rows: pa.Table | None, run_id: str, pipeline: Pipeline, tables: Iterable[Table], *, published_batch: str = ""
) -> tuple[Anomaly, ...]:
    """The unexpected figures of a run's tables, ``fail`` first, then by table; one per figure.

    Args:
        rows: of the ledger (``read_ledger_rows``); None if nothing was ever applied.
        run_id: of the run.
        pipeline: its expectations and time zone.
        tables: their expectations; a table that is not among them is not checked.
        published_batch: ``Publication.batch_id`` of what readers see; empty if nothing was published yet.
    """
    if rows is None:
        return ()
    figures = read_figures(rows, run_id, pipeline.schedule.timezone, published_batch)
    if figures is None:
        return ()
    settings = {table.silver: table.expectations.over(pipeline.expectations) for table in tables}
    return evaluate(figures, settings)


def evaluate(figures: Figures, settings: Mapping[str, Expectations]) -> tuple[Anomaly, ...]:
    """The unexpected figures.

    Args:
        figures: of a run and those before it.
        settings: table -> its expectations, with those of the pipeline. A table that is not in it is not checked.
    """
    import numpy as np

    found: dict[tuple[str, str], Anomaly] = {}
    for index, series in enumerate(figures.series):
        for rule in settings.get(series.table, Expectations()).rules:
            if (rule.figure, rule.column or "") == (series.figure, series.column):
                anomaly = _by_rule(rule, series, float(figures.value[index]), _last(figures.before[index]))
                if anomaly is not None:
                    _add(found, anomaly)
    expected = learn(figures)
    for index in np.flatnonzero(expected.unexpected).tolist():
        series = figures.series[index]
        severity = settings[series.table].learnt if series.table in settings else "ignore"
        if severity in ("warn", "fail"):
            low, high = float(expected.low[index]), float(expected.high[index])
            value, count = float(figures.value[index]), int(expected.runs[index])
            shown = describe_range(series, low, high)
            text = f"{describe(series, value)}, expected {shown}, as learnt from {count} runs"
            _add(found, _anomaly(series, value, (low, high), text, severity))
    return tuple(sorted(found.values(), key=lambda each: (each.on_failure != "fail", each.table, each.figure)))


def check_figures(anomalies: Iterable[Anomaly]) -> None:
    """Stop a publication.

    Raises:
        ExpectationError: an anomaly has ``on_failure: fail``; with the message of each.
    """
    failed = [anomaly for anomaly in anomalies if anomaly.on_failure == "fail"]
    if failed:
        count = f"{len(failed)} figure{'s are' if len(failed) > 1 else ' is'} not as expected"
        lines = "\n".join(f"  {anomaly.message}" for anomaly in failed)
        raise ExpectationError(
            f"{count}; nothing was published, readers keep the data of the last published run:\n{lines}\n"
            "hint: correct the source, or start a run with the parameter publish_unexpected if the figures are right; "
            "change what is expected under expectations: in include/pipeline.yml or the table's file",
            [releasable_figure(anomaly.table, anomaly.figure) for anomaly in failed],
        )


def _add(found: dict[tuple[str, str], Anomaly], anomaly: Anomaly) -> None:
    """Of several reasons for one figure, the first with ``fail`` counts, or else the first."""
    key = (anomaly.table, anomaly.figure)
    if key not in found or (anomaly.on_failure == "fail" and found[key].on_failure == "warn"):
        found[key] = anomaly


def _by_rule(rule: FigureRule, series: Series, value: float, last: float | None) -> Anomaly | None:
    low, high = rule.below or 0.0, math.inf if rule.above is None else rule.above
    limits = [f"{name}: {limit:g}" for name in ("above", "below") if (limit := getattr(rule, name)) is not None]
    if last is not None and rule.drop_percent is not None:
        low = max(low, last * (1 - rule.drop_percent / 100))
        limits.append(f"drop_percent: {rule.drop_percent:g}")
    if last is not None and rule.rise_percent is not None:
        high = min(high, last * (1 + rule.rise_percent / 100))
        limits.append(f"rise_percent: {rule.rise_percent:g}")
    if low <= value <= high:
        return None
    before = "" if last is None else f", {format_figure(series.figure, last)} in the run before"
    text = f"{describe(series, value)}, expected {describe_range(series, low, high)} ({', '.join(limits)}{before})"
    return _anomaly(series, value, (low, high), text, rule.on_failure)


def _anomaly(series: Series, value: float, usual: tuple[float, float], text: str, severity: str) -> Anomaly:
    low, high = usual
    # JSON has no infinity: an open range ends at the greatest number.
    bounds = {"value": value, "low": low, "high": high if math.isfinite(high) else 1.7976931348623157e308}
    return Anomaly.model_validate(
        {"table": series.table, "figure": series.name, "message": text, "on_failure": severity, **bounds}
    )


def _last(before: np.ndarray) -> float | None:
    """The figure of the last run that has one."""
    for value in reversed(before.tolist()):
        if not math.isnan(value):
            return float(value)
    return None


def describe(series: Series, value: float) -> str:
    """The figure and its value: ``flights: rows is 120``."""
    return f"{series.table}: {series.name} is {format_figure(series.figure, value)}"


def describe_range(series: Series, low: float, high: float) -> str:
    """``820 to 1,030``; ``at least 820`` for a range without an upper bound."""
    if not math.isfinite(high):
        return f"at least {format_figure(series.figure, low)}"
    return f"{format_figure(series.figure, low)} to {format_figure(series.figure, high)}"


def format_figure(figure: str, value: float) -> str:
    """A value with as many digits as people need."""
    if figure.endswith("_percent") or figure == "seconds":
        return f"{value:,.3g}" if value < 100 else f"{value:,.0f}"
    return f"{round(value):,}"
