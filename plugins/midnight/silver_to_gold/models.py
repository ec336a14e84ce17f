"""One gold model: a Spark SQL query and its contract (``include/sql/gold/<name>.sql`` and ``<name>.yml``)."""

from __future__ import annotations

import re
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
        refresh: ``full`` builds the model whole whenever an input changed; ``key`` requires that only the rows of
            affected keys are replaced, and is an error where that cannot be derived from the query. Null chooses
            ``key`` where it can be derived (docs/gold.md).
    """

    description: str
    key: tuple[str, ...]
    columns: tuple[GoldColumn, ...] = Field(min_length=1)
    checks: tuple[Check, ...] = ()
    unproved_functions: tuple[str, ...] = ()
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
