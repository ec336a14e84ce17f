"""Divides the whole build of a model that gathers many rows, so that the memory of its query does not grow with them.

The rows of a key follow from the rows of the driving inputs with this key alone (the plan of a refresh proves it), so
that the restricted query may compute the model for one part of the keys after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from midnight.lake.paths import is_local
from midnight.silver_to_gold.models import GoldModel
from midnight.silver_to_gold.refresh.plan import AFFECTED_KEYS, DrivingInput, RefreshPlan
from spark_jobs.gold.inputs import Inputs
from spark_jobs.gold.ordered_inputs import plain_column
from spark_jobs.runtime.key_cuts import conditions_between, files_between, key_cuts
from spark_jobs.runtime.parquet_reader import read_files
from spark_jobs.runtime.session import is_sail
from spark_jobs.runtime.table_files import TableFiles

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

# Sail holds the groups of a query in memory and does not spill: distinct values of so many rows take about 100 MB.
ROWS_AT_ONCE = 2_000_000
# Where the files are not in the order of the key, each part reads all of them: fewer and larger parts.
ROWS_AT_ONCE_BY_HASH = 10_000_000
# A file that lies in two ranges is read twice, and one with a null key for the first range, too: at most so many rows
# more than once, for each row of the input.
MOST_READ_AGAIN = 1.5

# View of a driving input -> its rows in one part of the keys.
KeyPart = dict[str, "DataFrame"]


def key_parts(
    inputs: Inputs, model: GoldModel, plan: RefreshPlan | None, rows_of: Callable[[str], int]
) -> list[KeyPart]:
    """The driving inputs in parts, each of which has all rows of its keys; none if the model is built at once.

    Args:
        inputs: the tables of the build, those of the model opened.
        model: to build whole.
        plan: of its refresh.
        rows_of: number of rows of a reference.
    """
    if plan is None or not plan.gathers or not plan.driving or AFFECTED_KEYS in plan.restricted_sql:
        return []
    largest = max(plan.driving, key=lambda item: rows_of(item.reference))
    rows, path = rows_of(largest.reference), inputs.path_of(largest.reference)
    if rows < 2 * ROWS_AT_ONCE or sum(map(rows_of, plan.read_whole)) > ROWS_AT_ONCE:
        return []
    if not (is_sail(inputs.open(largest.reference).sparkSession) and is_local(path)):
        return []
    return _by_range(inputs, model, plan, largest) or _by_hash(inputs, plan, rows)


def _by_range(inputs: Inputs, model: GoldModel, plan: RefreshPlan, largest: DrivingInput) -> list[KeyPart]:
    """Ranges of the first column of the key, if the files of the largest input are in about its order."""
    from pyspark.sql import functions as F

    kind = next(column.type for column in model.contract.columns if column.name == plan.key[0])
    table = inputs.open(largest.reference)
    kinds = {name.casefold(): (name, found) for name, found in table.dtypes}
    column, found = kinds.get(plain_column(largest.key[0]).casefold(), ("", ""))
    if found.casefold() != kind.casefold():
        return []
    files = TableFiles(inputs.path_of(largest.reference)).files
    cuts = key_cuts(files, column, ROWS_AT_ONCE)
    between = files_between(files, column, cuts)
    rows, read = sum(file.rows for file in files), sum(file.rows for part in between for file in part)
    if not cuts or 2 * len(between) * ROWS_AT_ONCE < rows or read - rows > MOST_READ_AGAIN * rows:
        return []
    parts: list[KeyPart] = [{} for _ in between]
    for item in plan.driving:
        known = (item.reference, item.key[0]) == (largest.reference, largest.key[0])
        conditions = conditions_between(F.expr(item.key[0]), cuts, kind)
        for part, in_part, condition in zip(parts, between, conditions, strict=True):
            paths = [file.path for file in in_part]
            frame = read_files(table.sparkSession, paths, table.dtypes) if known else inputs.open(item.reference)
            part[item.view] = frame.alias("input").filter(condition)
    return parts


def _by_hash(inputs: Inputs, plan: RefreshPlan, rows: int) -> list[KeyPart]:
    from pyspark.sql import functions as F

    number = -(-rows // ROWS_AT_ONCE_BY_HASH)
    if number < 2:
        return []

    def part_of(key: Sequence[str]) -> Column:
        return F.pmod(F.xxhash64(*map(F.expr, key)), F.lit(number))

    return [
        {
            item.view: inputs.open(item.reference).alias("input").filter(part_of(item.key) == F.lit(part))
            for item in plan.driving
        }
        for part in range(number)
    ]
