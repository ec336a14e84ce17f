"""The measures of ``model.yml``, and their DAX."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from pydantic import Field, model_validator

from midnight.configuration.base import ConfigurationModel
from midnight.powerbi.model.comparisons import Comparison, change_dax, comparison_dax
from midnight.powerbi.model.shown_columns import shown_name

KINDS = ("rows", "sum", "mean", "median", "max", "share", "compare", "change", "dax")
COLUMN_KINDS = ("sum", "mean", "median", "max")
EACH_ROW = "rows"


class Measure(ConfigurationModel):
    """A measure: exactly one of ``rows``, ``sum``, ``mean``, ``median``, ``max``, ``share``, ``compare``, ``change``
    and ``dax``.

    All but ``dax`` are right for any selection of the table's rows. They are blank where a selection does not select
    rows of the table: a filter on a table that has no relationship to it would otherwise leave the total standing
    next to each of its values.

    Args:
        name: shown in Power BI; unique over all measures, ignoring case.
        table: the table that it aggregates.
        rows: counts the rows.
        where: with ``rows``, counts those with these values (column -> value) only.
        sum: adds a column up.
        mean: the mean of a column, each row with its ``weight``.
        weight: ``rows`` where each row is one observation; for a table of means the column with the number of
            observations (not null) behind each mean.
        median: the median of a column of single observations.
        max: the largest value of a column.
        share: part and whole, two measures; 0 where there is a whole and no part.
        compare: another measure on the last day, a week before, in the month so far, in the month before or as the mean
            of seven days.
        change: two measures; the first minus the second.
        dax: a DAX expression; Midnight checks its names, but not its results.
        format: format string of Power BI.
        description: shown in Power BI.
    """

    name: str = Field(pattern=r"^[^\[\]\r\n]+$")
    table: str
    rows: Literal[True] | None = None
    where: dict[str, str | int | bool] = Field(default_factory=dict)
    sum: str | None = None
    mean: str | None = None
    weight: str | None = None
    median: str | None = None
    max: str | None = None
    share: tuple[str, str] | None = None
    compare: Comparison | None = None
    change: tuple[str, str] | None = None
    dax: str | None = None
    format: str
    description: str = Field(min_length=5)

    @model_validator(mode="after")
    def _one_kind(self) -> Measure:
        given = [kind for kind in KINDS if getattr(self, kind) is not None]
        if len(given) != 1:
            raise ValueError(f"{self.name!r} has {given!r}; hint: give exactly one of {', '.join(KINDS)}")
        if (self.mean is None) != (self.weight is None):
            raise ValueError(
                f"{self.name!r} has {'no weight' if self.weight is None else 'a weight without a mean'}; hint: mean "
                "and weight belong together, weight: rows where each row is one observation, otherwise the column "
                "with the number of observations behind each row's mean"
            )
        if self.where and self.rows is None:
            raise ValueError(f"{self.name!r} has where without rows; hint: where selects the rows that rows counts")
        return self

    @property
    def columns(self) -> list[tuple[str, str]]:
        """Field of the measure and column of its table that it names, for each column."""
        named = [(kind, getattr(self, kind)) for kind in COLUMN_KINDS if getattr(self, kind) is not None]
        if self.weight is not None and self.weight != EACH_ROW:
            named.append(("weight", self.weight))
        if self.compare is not None:
            named.append(("compare", self.compare.day))
        return [*named, *(("where", column) for column in self.where)]

    @property
    def other_measures(self) -> list[tuple[str, str]]:
        """Field of the measure and name of another measure that it is made of."""
        named = [("share", name) for name in self.share or ()] + [("change", name) for name in self.change or ()]
        return [*named, *([("compare", self.compare.measure)] if self.compare is not None else [])]


def dax_of(
    measure: Measure,
    one_value: str | None,
    unrelated: Sequence[str],
    calendar: tuple[str, str] | None = None,
    added_up: Sequence[str] = (),
) -> str:
    """The DAX of a measure.

    Args:
        measure: the measure.
        one_value: column of its table of which one value may be in a selection (``ModelTable.one_value``).
        unrelated: tables whose filters do not reach the measure's table.
        calendar: the date table and its column with the day, which comparisons need.
        added_up: names of the measures that count or add up.
    """
    if measure.dax is not None:
        return re.sub(r"\s+", " ", measure.dax).strip()
    if measure.share is not None:
        # A part of no rows is blank, and blank divided by a number is blank: + 0 makes it the 0 that it is.
        return f"DIVIDE([{measure.share[0]}] + 0, [{measure.share[1]}])"
    if measure.change is not None:
        return change_dax(*measure.change)
    if measure.compare is not None and calendar is not None:
        days = _column(measure.table, measure.compare.day), _table(calendar[0]), _column(*calendar)
        return comparison_dax(measure.compare, *days, adds_up=measure.compare.measure in added_up)
    conditions = [f"HASONEVALUE({_column(measure.table, one_value)})"] if one_value else []
    if unrelated:
        conditions.append(f"NOT({' || '.join(f'ISFILTERED({_table(name)})' for name in unrelated)})")
    value = _value(measure)
    return f"IF({' && '.join(conditions)}, {value})" if conditions else value


def _value(measure: Measure) -> str:
    table = _table(measure.table)

    def column(name: str) -> str:
        return _column(measure.table, name)

    if measure.where:
        # KEEPFILTERS: a plain filter argument would replace what the reader has selected in that column.
        filters = ", ".join(f"KEEPFILTERS({column(name)} = {_literal(value)})" for name, value in measure.where.items())
        return f"IF(COUNTROWS({table}) > 0, CALCULATE(COUNTROWS({table}), {filters}) + 0)"
    if measure.rows:
        return f"COUNTROWS({table})"
    if measure.mean is not None and measure.weight != EACH_ROW:
        mean, weight = column(measure.mean), column(str(measure.weight))
        # A row whose mean is unknown has no weight either.
        return f"DIVIDE(SUMX({table}, {mean} * {weight}), SUMX(FILTER({table}, NOT(ISBLANK({mean}))), {weight}))"
    function = next(kind for kind in COLUMN_KINDS if getattr(measure, kind) is not None)
    name = {"mean": "AVERAGE"}.get(function, function.upper())
    return f"{name}({column(getattr(measure, function))})"


def _table(name: str) -> str:
    return "'" + name.replace("'", "''") + "'"


def _column(table: str, column: str) -> str:
    return f"{_table(table)}[{shown_name(column).replace(']', ']]')}]"


def _literal(value: str | int | bool) -> str:
    if isinstance(value, bool):
        return "TRUE()" if value else "FALSE()"
    return str(value) if isinstance(value, int) else '"' + value.replace('"', '""') + '"'
