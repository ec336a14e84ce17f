"""Reads the input of a whole build in the order of its key, so that later refreshes rewrite few files of the model."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from midnight.lake.paths import is_local
from midnight.silver_to_gold.refresh.plan import DrivingInput, RefreshPlan
from spark_jobs.runtime.delta_tables import discard
from spark_jobs.runtime.ordered_files import read_in_order
from spark_jobs.runtime.row_change import in_parallel
from spark_jobs.runtime.session import is_sail
from spark_jobs.runtime.small_table import read_if_small
from spark_jobs.runtime.table_files import TableFiles

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from spark_jobs.gold.inputs import Inputs

_PLAIN_COLUMN = re.compile(r"CAST\(input\.`?(\w+)`? AS (\w+(?:\([\d, ]+\))?)\)")


def plain_column(expression: str) -> str:
    """The column of a driving input that is a column of the model's key; empty if the key is computed from it."""
    match = _PLAIN_COLUMN.fullmatch(expression)
    return match[1] if match else ""


def order_inputs(
    inputs: Inputs, references: Collection[str], plan: RefreshPlan | None, links: Callable[[str], str]
) -> None:
    """Register the driving inputs of a model as views that read their files in the order of the model's key.

    A join or a stream of the engine mixes the rows of files that are read at the same time; if these are neighbours,
    a file of the model has keys that are near to each other. A join with a small table mixes none.

    Args:
        inputs: the tables of the build, those of the model opened.
        references: of the model.
        plan: of the model.
        links: part -> a folder for links that is removed after the job.
    """
    driving = () if plan is None else plan.driving
    for item in driving:
        _order(inputs, item, links(item.view))
    others = set(references) - {item.reference for item in driving}
    for reference in others if len(references) > 1 else ():
        inputs.add(reference, read_if_small(inputs.open(reference), inputs.path_of(reference)))


def _order(inputs: Inputs, item: DrivingInput, links: str) -> None:
    table, path = inputs.open(item.reference), inputs.path_of(item.reference)
    names = {name.casefold(): name for name in table.columns}
    column = names.get(plain_column(item.key[0]).casefold())
    if column is None or not (is_sail(table.sparkSession) and is_local(path)):
        return
    files = TableFiles(path).files
    if len(files) < 2:
        return
    middle = dict(zip([file.path for file in files], in_parallel(lambda f: f.middle(column), files), strict=True))
    if None not in middle.values():
        discard(links)  # left by a job that was killed: those of other files
        paths = sorted(middle, key=lambda path: middle[path])
        ordered = read_in_order(table.sparkSession, paths, table.dtypes, links)
        if ordered.dtypes == table.dtypes:
            inputs.add(item.reference, ordered)
