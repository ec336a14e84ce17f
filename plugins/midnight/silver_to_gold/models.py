"""One gold model: a Spark SQL query with its contract beside it (``include/sql/gold/<name>.sql`` and ``.yml``)."""

from __future__ import annotations

import re

from pydantic import Field

from midnight.configuration.base import ConfigurationModel
from midnight.configuration.checks import Check


class GoldColumn(ConfigurationModel):
    """A column of the model.

    Args:
        name: of the query's column.
        type: Spark SQL type; the query's result is cast to it, and base views are made from it.
        max_length: longest text in characters, for the VARCHAR of the base view; a longer one stops the build.
        description: for people; reaches the views and the Power BI model.
    """

    name: str
    type: str
    max_length: int | None = None
    description: str = ""


class GoldModelContract(ConfigurationModel):
    """The ``.yml`` beside a model.

    Args:
        description: for people; reaches the views and the Power BI model.
        key: columns that identify a row; checked for null and duplicates before publishing. Empty where nothing
            identifies a row: then nothing is checked.
        columns: in order.
        checks: the rules of silver; ``quarantine`` is not possible here (no row is lost between silver and gold).
        unproved_functions: functions and operators that the local engine Sail may run although nobody has proved that
            it answers as Apache Spark does (docs/spark-sql.md); each local run warns of them.
    """

    description: str
    key: tuple[str, ...]
    columns: tuple[GoldColumn, ...] = Field(min_length=1)
    checks: tuple[Check, ...] = ()
    unproved_functions: tuple[str, ...] = ()


class GoldModel(ConfigurationModel):
    """A model as the job receives it.

    Args:
        name: of the table in gold.
        sql: the query, its references replaced by the names of temporary views.
        references: temporary view name -> ``silver.<table>`` or ``gold.<model>``.
        warnings: what the query uses without proof that Sail answers as Apache Spark does.
        arithmetic: what in the query can overflow, with the types and the CAST to write; for the job's message.
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
    """Whether a query's column becomes its contract's type by itself: numbers do, and a date becomes a timestamp.

    An overflow stops the job, fractions are rounded to the contract's decimal places. Any other cast could lose
    something and must stand in the query.

    Args:
        source: type of the query's column, as Spark prints it: ``decimal(10,2)``.
        target: type of the contract's, in the same form.
    """
    number = _WHOLE.fullmatch(source) or _FRACTIONAL.fullmatch(source)
    return (
        source in (target, "void")
        or bool(number and _FRACTIONAL.fullmatch(target))
        or bool(_WHOLE.fullmatch(source) and _WHOLE.fullmatch(target))
        or (source, target) == ("date", "timestamp")
    )
