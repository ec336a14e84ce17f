"""Runs that change rows of silver, as the silver job records them, and gold built by refreshes and whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable, write_deltalake

from midnight.lake.paths import LakePaths
from midnight.silver_to_gold.builds import GoldBuild
from midnight.silver_to_gold.models import GoldModel
from midnight.silver_to_gold.refresh.derive import refresh_plans
from midnight.silver_to_gold.refresh.plan import RefreshPlan
from spark_jobs.gold.run import build_gold
from tests.support.gold_lake import CONFIGURATION, DEMO_MODELS, add_to_ledger, run_document

Rows = dict[Any, dict[str, Any]]  # key -> row

DEMO_PLANS = refresh_plans(DEMO_MODELS, CONFIGURATION.tables)


def batch(number: int) -> str:
    return f"20131001T{number:09}Z-{number:08}"


class SilverRuns:
    """Silver tables that change run by run.

    Args:
        paths: of the lake.
        schemas: table -> its columns.
        keys: table -> its key.
        plans: model -> how it is refreshed.
    """

    def __init__(
        self,
        paths: LakePaths,
        schemas: Mapping[str, pa.Schema],
        keys: Mapping[str, str],
        plans: Mapping[str, RefreshPlan],
    ) -> None:
        self.paths, self.schemas, self.keys, self.plans = paths, schemas, keys, dict(plans)
        self.rows: dict[str, Rows] = {name: {} for name in schemas}
        self.number = 0

    def replace(self, tables: Mapping[str, pa.Table]) -> None:
        """Load tables whole: there is no change set."""
        self.number += 1
        for name, rows in tables.items():
            self.rows[name] = {row[self.keys[name]]: row for row in rows.to_pylist()}
            self._write(name)
            add_to_ledger(self.paths, name, batch(self.number), inserted=rows.num_rows, silver_after=rows.num_rows)

    def change(self, tables: Mapping[str, Rows]) -> None:
        """Give tables new rows, and record the change set of each that differs."""
        self.number += 1
        for name, after in tables.items():
            before = self.rows[name]
            old = [row for key, row in before.items() if after.get(key) != row]
            new = [row for key, row in after.items() if before.get(key) != row]
            self.rows[name] = dict(after)
            if not old and not new:
                continue
            self._write(name)
            schema = self.schemas[name].append(pa.field("_midnight_change", pa.string()))
            rows = [row | {"_midnight_change": "before"} for row in old]
            rows += [row | {"_midnight_change": "after"} for row in new]
            folder = Path(self.paths.silver_changes(name, batch(self.number)).removeprefix("file://"))
            folder.mkdir(parents=True)
            pq.write_table(pa.Table.from_pylist(rows, schema), folder / "part-0.parquet")
            counts = {"inserted": len(new), "deleted": len(old), "silver_after": len(after)}
            add_to_ledger(self.paths, name, batch(self.number), changed="rows", **counts)

    def _write(self, name: str) -> None:
        table = pa.Table.from_pylist(list(self.rows[name].values()), self.schemas[name])
        write_deltalake(self.paths.silver_table(name), table, mode="overwrite", schema_mode="overwrite")

    def build(self, session, models: Sequence[GoldModel]) -> GoldBuild:
        return build_gold(session, run_document(self.paths, batch(self.number), tuple(models), refresh=self.plans))

    def build_whole(self, session, models: Sequence[GoldModel]) -> tuple[LakePaths, GoldBuild]:
        """Gold of the same silver, in a folder of its own."""
        paths = replace(self.paths, gold=f"{self.paths.gold}_whole_{self.number}")
        return paths, build_gold(session, run_document(paths, batch(self.number), tuple(models), rebuild=True))


def all_rows(paths: LakePaths, build: GoldBuild, name: str) -> pa.Table:
    """The rows of a model, sorted by all columns."""
    table = DeltaTable(build.model_path(paths, name)).to_pyarrow_table()
    return table.sort_by([(column, "ascending") for column in table.column_names])


def assert_equal_gold(paths: LakePaths, build: GoldBuild, other_paths: LakePaths, other: GoldBuild) -> None:
    """The same rows, bit for bit, and the same results of all checks."""
    assert build.models.keys() == other.models.keys()
    for name, model in build.models.items():
        mine, theirs = all_rows(paths, build, name), all_rows(other_paths, other, name)
        assert mine.schema.equals(theirs.schema), name
        # Not equal(): it takes zero for negative zero, and NaN for another value than NaN.
        assert [repr(row) for row in mine.to_pylist()] == [repr(row) for row in theirs.to_pylist()], name
        assert model.checks == other.models[name].checks, name
        assert model.rows == other.models[name].rows == mine.num_rows, name
