"""A silver table with `reconcile: digests`, a gold model of its rows, and runs of both jobs whose writers fail."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from unittest import mock

import numpy as np
import pyarrow as pa

from midnight.lake.paths import LakePaths
from midnight.run.document import RunDocument
from midnight.silver_to_gold.refresh.derive import refresh_plans
from spark_jobs.gold.replace_keys import replace_all, replace_keys
from spark_jobs.gold.tables import write_model
from spark_jobs.runtime.delta_tables import overwrite_table
from spark_jobs.silver import rebuild
from spark_jobs.silver.write_changes import write_changes
from tests.support.gold_models import model
from tests.support.sealed_batches import document, seal, table
from tests.support.written_faults import damage

COLUMNS: dict[str, Any] = {
    "id": "bigint",
    "name": "text",
    "code": {"type": "text", "trim": False},
    "n": {"type": "text", "cast": "integer"},
    "first": "integer",
    "second": "integer",
    "amount": "numeric(38,18)",
    "at": "timestamp with time zone",
    "local": "timestamp without time zone",
    "x": "double precision",
    "small": "real",
    "yes": "boolean",
    "day": "date",
    "raw": "bytea",
}
_TYPES = [
    "BIGINT",
    "STRING",
    "STRING",
    "INT",
    "INT",
    "INT",
    "DECIMAL(38,18)",
    "TIMESTAMP",
    "TIMESTAMP",
    "DOUBLE",
    "FLOAT",
    "BOOLEAN",
    "DATE",
    "BINARY",
]
PROVED = table("items", COLUMNS, key=["id"], reconcile="digests", checks=[{"rule": "range", "column": "n", "min": 0}])
DETAIL = model(
    "detail",
    f"SELECT {', '.join(COLUMNS)} FROM silver__items",
    ", ".join(f"{name} {kind}" for name, kind in zip(COLUMNS, _TYPES, strict=True)),
    ("id",),
    silver__items="silver.items",
)


def rows(number: int, count: int) -> pa.Table:
    """The rows of a run: from the second run on, every fiftieth has changed."""
    ids = np.arange(count)
    changed = ids + number * (ids % 50 == 7)
    micros = pa.array(changed * 1_000_003_017 - 10**15)
    digits = pa.array([f"{i}{'7' * 17}{i % 10}" for i in changed]).cast(pa.decimal128(38, 0))
    columns = [
        ids,
        [None if i % 17 == 0 else f"  name {i % 501}é " for i in changed],
        [f" code {i} " for i in changed],
        [str(i % 1000 - 2) for i in changed],
        (changed % 50).astype("int32"),
        (changed % 60).astype("int32"),
        pa.array([d.as_py().scaleb(-18) for d in digits], pa.decimal128(38, 18)),
        micros.cast(pa.timestamp("us", "UTC")),
        micros.cast(pa.timestamp("us")),
        np.where(ids % 11 == 0, -0.0, changed * 0.1),
        (changed * 0.1).astype("float32"),
        ids % 3 == 0,
        pa.array((changed % 20_000).astype("int32"), pa.int32()).cast(pa.date32()),
        [bytes([i % 256, i % 7]) for i in changed],
    ]
    return pa.table(dict(zip(COLUMNS, columns, strict=True)))


def run(lake: LakePaths, number: int, count: int, *, given: Any = PROVED, changed: bool = True) -> RunDocument:
    """Seal a batch; the run document of both jobs."""
    batch = seal(lake, given, number, rows(number if changed else 1, count))
    plans = refresh_plans((DETAIL,), (given,))
    return document(lake, number, (given, batch)).model_copy(update={"models": (DETAIL,), "refresh": plans})


@dataclass
class FaultyWriter:
    """What a faulty writer has done: the key of the row, and the columns that are wrong there."""

    key: Any = None
    columns: tuple[str, ...] = ()

    def is_named(self, message: str) -> bool:
        """Whether a message names the key and all the columns."""
        return f"id = '{self.key}'" in message and all(f"column {name!r}" in message for name in self.columns)


@contextlib.contextmanager
def faulty_writer(fault: str, seed: int, *, only: str = "") -> Iterator[FaultyWriter]:
    """The next write of a silver table or gold model does something else than what the job has asked for.

    Args:
        fault: one of ``FAULTS``.
        seed: chooses file, row and column.
        only: ``published``: the table that a rebuild publishes.
    """
    done = FaultyWriter()

    def after(real: Any, path_of: Any) -> Any:
        def write(*given: Any, **named: Any) -> Any:
            result = real(*given, **named)
            if done.key is None:
                done.key, columns = damage(path_of(given, named), fault, seed)
                done.columns = tuple(columns)
            return result

        return write

    if only:
        with mock.patch.object(rebuild, "overwrite_table", after(overwrite_table, lambda given, _: given[1])):
            yield done
        return
    first: Any = lambda given, _: given[1]  # noqa: E731
    targets = {
        "spark_jobs.silver.table.overwrite_table": (overwrite_table, first),
        "spark_jobs.silver.table.write_changes": (write_changes, first),
        "spark_jobs.gold.write_models.write_model": (write_model, lambda given, _: given[3]),
        "spark_jobs.gold.refreshed_model.replace_keys": (replace_keys, lambda given, _: given[2]),
        "spark_jobs.gold.refreshed_model.replace_all": (replace_all, lambda given, _: given[2]),
    }
    with contextlib.ExitStack() as stack:
        for target, (real, path_of) in targets.items():
            stack.enter_context(mock.patch(target, after(real, path_of)))
        yield done
