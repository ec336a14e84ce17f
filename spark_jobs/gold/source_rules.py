"""The link *source = gold*: figures of the models, and those that the source computed in the snapshot."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from pyspark.errors import PySparkException
from pyspark.sql import functions as F

from midnight.errors import ModelError, first_line
from midnight.reconciliation.record import LinkRecord
from midnight.reconciliation.source_figures import MOST_GROUPS, SourceFigures, compare_figures, figure_text
from midnight.run.document import RunDocument
from midnight.silver_to_gold.models import GoldModel, ReconciliationRule
from midnight.sql_text import quote_backticked

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def compare_rules(document: RunDocument, open_model: Callable[[str], DataFrame]) -> list[LinkRecord]:
    """Compare every rule of the models for which the run has figures of the source.

    Args:
        document: of the run.
        open_model: the table of a model of this build.

    Returns:
        One record per rule.

    Raises:
        ModelError: the engine cannot compute a figure.
    """
    figures = {(each.model, each.rule): each for each in document.figures}
    return [
        _compare(model, rule, figures.get((model.name, rule.name)), open_model)
        for model in document.models
        for rule in model.contract.reconcile
    ]


def _compare(
    model: GoldModel, rule: ReconciliationRule, source: SourceFigures | None, open_model: Callable[[str], DataFrame]
) -> LinkRecord:
    if source is None or source.reason:
        reason = source.reason if source is not None else "the run document has no figures of the source"
        return LinkRecord(
            link="source = gold",
            table=f"gold.{model.name}",
            status="not checked",
            method="counts",
            reason=f"rule {rule.name!r}: {reason}",
        )
    try:
        rows = _figures(rule, open_model(model.name))
    except PySparkException as error:
        raise ModelError(
            f"gold.{model.name}: rule {rule.name!r} cannot be computed: {first_line(error)}; hint: correct reconcile "
            f"in {model.name}.yml"
        ) from error
    return compare_figures(source, rows, len(rule.group_by), rule.tolerance)


def _figures(rule: ReconciliationRule, table: DataFrame) -> Sequence[Sequence[str | None]]:
    kinds = dict(table.dtypes)
    measures = [_measure(function, column).alias(name) for name, function, column in rule.measures]
    grouped = table.groupBy(*(F.col(quote_backticked(name)) for name in rule.group_by)).agg(*measures)
    shown = dict(zip(rule.group_by, rule.group_by, strict=True))
    shown |= {name: column for name, function, column in rule.measures if function in ("min", "max")}
    times = {name for name, column in shown.items() if kinds[column] == "timestamp"}
    # As numbers: collect() returns timestamps in the time zone of this process, without naming the zone.
    columns = [
        (F.unix_micros(quote_backticked(name)) if name in times else F.col(quote_backticked(name))).alias(name)
        for name in rule.columns
    ]
    rows = grouped.select(*columns).limit(MOST_GROUPS + 1).collect()
    return [tuple(_text(row[name], is_time=name in times) for name in rule.columns) for row in rows]


def _measure(function: str, column: str) -> Column:
    if function == "count":
        return F.count(F.lit(1))
    value = F.col(quote_backticked(column))
    return {"sum": F.sum, "min": F.min, "max": F.max, "count_distinct": F.count_distinct}[function](value)


def _text(value: Any, *, is_time: bool) -> str | None:
    return figure_text(_EPOCH + timedelta(microseconds=value) if is_time and value is not None else value)
