"""The ``expectations`` of ``include/pipeline.yml`` and of the table files: what the figures of a run may be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field, field_validator, model_validator

from midnight.configuration.base import ConfigurationModel
from midnight.configuration.yaml_document import located_error

Figure = Literal[
    "rows",
    "inserted",
    "updated",
    "deleted",
    "quarantined_percent",
    "warnings_percent",
    "null_percent",
    "distinct_values",
    "seconds",
    "bytes",
]
Severity = Literal["warn", "fail"]
COLUMN_FIGURES: tuple[Figure, ...] = ("null_percent", "distinct_values")
_LIMITS = ("above", "below", "rise_percent", "drop_percent")


class FigureRule(ConfigurationModel):
    """Limits of one figure of a table in each run. At least one limit is needed.

    Args:
        figure: what is limited: ``rows`` of silver after the run; rows ``inserted``, ``updated`` or ``deleted`` by it;
            ``quarantined_percent`` and ``warnings_percent`` of the rows of the batch; ``null_percent`` of the rows of
            silver without a value in ``column``; ``distinct_values`` of ``column`` among the rows inserted or updated
            by the run, approximately; ``seconds`` to evaluate and write the rows; ``bytes`` of the Parquet files read.
        column: of silver, for ``null_percent`` and ``distinct_values``.
        above: a greater value is unexpected.
        below: a smaller value is unexpected.
        rise_percent: a value is unexpected that is greater by more than this percentage than that of the last run.
        drop_percent: a value is unexpected that is smaller by more than this percentage than that of the last run.
        on_failure: ``fail``: the run is not published; ``warn``: it is, and an alert is sent.
    """

    figure: Figure
    column: str | None = Field(default=None, examples=["tailnum"])
    above: float | None = Field(default=None, ge=0)
    below: float | None = Field(default=None, ge=0)
    rise_percent: float | None = Field(default=None, ge=0)
    drop_percent: float | None = Field(default=None, ge=0, le=100)
    on_failure: Severity = "fail"

    @property
    def subject(self) -> str:
        """What the rule is about: ``rows``, ``null_percent of tailnum``."""
        return figure_name(self.figure, self.column)

    @model_validator(mode="after")
    def _fields_fit_the_figure(self) -> FigureRule:
        problems: list[tuple[Sequence[int | str], str]] = []
        needs_column = self.figure in COLUMN_FIGURES
        if needs_column and self.column is None:
            problems.append((["column"], f"is missing, which {self.figure!r} needs; hint: a column of silver"))
        if not needs_column and self.column is not None:
            valid = " and ".join(COLUMN_FIGURES)
            problems.append((["column"], f"{self.column!r} is only valid for {valid}; hint: remove this line"))
        if all(getattr(self, name) is None for name in _LIMITS):
            problems.append((["figure"], f"{self.figure!r} has no limit; hint: add one of {', '.join(_LIMITS)}"))
        if self.above is not None and self.below is not None and self.below > self.above:
            problems.append(
                (
                    ["below"],
                    f"{self.below:g} is greater than above: {self.above:g}, so that every value is unexpected; hint: "
                    "exchange the two",
                )
            )
        if self.figure.endswith("_percent"):
            problems += [
                ([name], f"{value:g} is more than 100 percent; hint: a percentage from 0 to 100")
                for name in ("above", "below")
                if (value := getattr(self, name)) is not None and value > 100
            ]
        if problems:
            raise located_error(problems)
        return self


class Expectations(ConfigurationModel):
    """What the figures of a run may be (docs/expectations.md).

    Args:
        learnt: what follows when a figure is far from what the runs before let expect: ``warn`` or ``fail`` as for a
            rule, ``ignore`` nothing. In a table file, without it that of pipeline.yml, which is ``warn`` by default.
        rules: limits of your own. Those of pipeline.yml apply to every table, unless the table's file has a rule for
            the same figure.
    """

    learnt: Literal["ignore", "warn", "fail"] | None = None
    rules: tuple[FigureRule, ...] = ()

    @field_validator("rules")
    @classmethod
    def _rules_are_distinct(cls, rules: tuple[FigureRule, ...]) -> tuple[FigureRule, ...]:
        keys = [(rule.subject, rule.on_failure) for rule in rules]
        twice = next((key for key in keys if keys.count(key) > 1), None)
        if twice is not None:
            raise ValueError(
                f"two rules for {twice[0]!r} with on_failure: {twice[1]}; hint: write all limits into one rule"
            )
        return rules

    def over(self, pipeline: Expectations) -> Expectations:
        """These expectations of a table, completed by those of the pipeline."""
        own = {rule.subject for rule in self.rules}
        inherited = tuple(rule for rule in pipeline.rules if rule.subject not in own)
        return Expectations(learnt=self.learnt or pipeline.learnt or "warn", rules=(*inherited, *self.rules))


def figure_name(figure: str, column: str | None) -> str:
    """The name of a figure for people: ``rows``, ``null_percent of tailnum``."""
    return f"{figure} of {column}" if column else figure
