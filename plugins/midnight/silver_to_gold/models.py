"""One gold model: a Spark SQL query and its contract (``include/sql/gold/<name>.sql`` and ``<name>.yml``)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from midnight.configuration.base import ConfigurationModel
from midnight.configuration.checks import Check


class GoldColumn(ConfigurationModel):
    """A column of the model.

    Args:
        name: of the query's column.
        type: Spark SQL type; the query's result is cast to it, and the base view has its counterpart.
        max_length: maximum characters of a text, for the VARCHAR of the base view; a longer text fails the build.
        description: documentation; copied to the views and the Power BI model.
    """

    name: str
    type: str
    max_length: int | None = None
    description: str = ""


_FIGURE = r"^(count|(count_distinct|sum|min|max)\(\s*\w+\s*\))$"


class ReconciliationRule(ConfigurationModel):
    """Figures of the model that equal the same figures in the source, inside the snapshot that the run has read.

    Args:
        name: for messages and the run's record.
        group_by: columns of the model; a figure is compared in each group. Empty: over all rows.
        figures: name -> ``count`` (rows), or ``sum``, ``min``, ``max`` or ``count_distinct`` of a column.
        source: one SELECT of PostgreSQL on configured tables of one load group, with their schema. It returns the
            columns of ``group_by`` and ``figures``, and leaves out the rows that silver keeps in quarantine.
        tolerance: by how much a number may differ, for sums of floating-point numbers.
        description: free text, not used by a run.
    """

    name: str
    group_by: tuple[str, ...] = ()
    figures: dict[str, str] = Field(
        min_length=1,
        examples=[{"flights": "count", "miles": "sum(distance_miles)"}],
        json_schema_extra={"additionalProperties": {"type": "string", "pattern": _FIGURE}},
    )
    source: str
    tolerance: float = Field(default=0, ge=0)
    description: str = ""

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns of the group, then those of the figures."""
        return (*self.group_by, *self.figures)

    @property
    def measures(self) -> tuple[tuple[str, str, str], ...]:
        """Name, function and column (empty for ``count``) of each figure; only of valid ones."""
        found = []
        for name, text in self.figures.items():
            if re.match(_FIGURE, text.strip()):
                function, _, column = text.strip().partition("(")
                found.append((name, function, column.rstrip(")").strip()))
        return tuple(found)


class GoldModelContract(ConfigurationModel):
    """The contract of a model, its ``.yml`` file.

    Args:
        description: documentation; copied to the views and the Power BI model.
        key: columns that identify a row; checked for null and duplicates before publishing. Empty if no
            column identifies a row: then nothing is checked.
        columns: in order.
        checks: as in silver, without ``quarantine`` (no row may be lost between silver and gold).
        unproved_functions: functions and operators that the local engine Sail may run although it is not proved that
            its results equal those of Apache Spark (docs/spark-sql.md); each local run warns of them.
        reconcile: figures that must equal those of the source (docs/reconciliation.md); a difference stops the run.
        refresh: ``full`` builds the model whole whenever an input changed; ``key`` requires that only the rows of
            affected keys are replaced, and is an error where that cannot be derived from the query. Null chooses
            ``key`` where it can be derived (docs/gold.md).
    """

    description: str
    key: tuple[str, ...]
    columns: tuple[GoldColumn, ...] = Field(min_length=1)
    checks: tuple[Check, ...] = ()
    unproved_functions: tuple[str, ...] = ()
    reconcile: tuple[ReconciliationRule, ...] = ()
    refresh: Literal["full", "key"] | None = None


class GoldModel(ConfigurationModel):
    """A model as it is passed to the job.

    Args:
        name: of the table in gold.
        sql: the query, with the names of temporary views in place of references.
        references: temporary view name -> ``silver.<table>`` or ``gold.<model>``.
        warnings: what the query uses without proof that Sail and Apache Spark give equal results.
        arithmetic: operations that can overflow, with their types and the CAST to add; for the job's error message.
    """

    name: str
    sql: str
    references: dict[str, str]
    warnings: tuple[str, ...] = ()
    arithmetic: tuple[str, ...] = ()
    contract: GoldModelContract


_WHOLE = re.compile(r"tinyint|smallint|int|bigint")
_FRACTIONAL = re.compile(r"float|double|decimal\(.*")


def may_cast(source: str, target: str) -> bool:
    """Whether a query's column is cast to its contract's type implicitly: numbers, and a date to a timestamp.

    An overflow stops the job, fractions are rounded to the contract's decimal places. Any other cast could lose
    information and must be explicit in the query.

    Args:
        source: type of the query's column, as printed by Spark: ``decimal(10,2)``.
        target: type of the contract's, in the same form.
    """
    number = _WHOLE.fullmatch(source) or _FRACTIONAL.fullmatch(source)
    return (
        source in (target, "void")
        or bool(number and _FRACTIONAL.fullmatch(target))
        or bool(_WHOLE.fullmatch(source) and _WHOLE.fullmatch(target))
        or (source, target) == ("date", "timestamp")
    )


def levels(models: Sequence[GoldModel]) -> list[list[GoldModel]]:
    """The models in groups: each only reads models of earlier groups.

    Args:
        models: in an order in which each follows the models that it reads.
    """
    level: dict[str, int] = {}
    for model in models:
        read = [ref.removeprefix("gold.") for ref in model.references.values() if ref.startswith("gold.")]
        level[model.name] = 1 + max((level[name] for name in read), default=-1)
    return [[model for model in models if level[model.name] == n] for n in sorted(set(level.values()))]
