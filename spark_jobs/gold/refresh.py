"""Refreshes models: replaces the rows of the keys that the changes of their inputs affect.

Whatever cannot be proved complete is built whole: an unknown change of an input, another definition, a plan that the
engine refuses.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pyspark.errors import PySparkException

from midnight.errors import ModelError
from midnight.lake.paths import LakePaths, is_local
from midnight.names import folder_name
from midnight.silver_to_gold.builds import BuiltModel
from midnight.silver_to_gold.models import GoldModel
from midnight.silver_to_gold.refresh.choose import refresh_costs_more
from midnight.silver_to_gold.refresh.plan import RefreshPlan
from spark_jobs.gold.changed_rows import ChangedRows, InputChanges
from spark_jobs.gold.key_parts import KeyPart
from spark_jobs.gold.refreshed_model import ModelRefresh, Refreshed
from spark_jobs.gold.tables import in_contract_form
from spark_jobs.runtime.delta_tables import discard
from spark_jobs.runtime.staged_rows import StagedFolder, stage_rows

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


@dataclass(frozen=True)
class Refresher:
    """Refreshes models one after another, since the views of a refresh have the same names for all.

    Args:
        spark: any engine.
        paths: of the lake.
        changes: of the inputs.
        rows_of: number of rows of a reference.
        path_of: path of the table of a reference.
        staged: paths of the intermediate rows.
    """

    spark: SparkSession
    paths: LakePaths
    changes: InputChanges
    rows_of: Callable[[str], int]
    path_of: Callable[[str], str]
    staged: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def refresh(
        self, model: GoldModel, plan: RefreshPlan | None, earlier: BuiltModel, inputs: Mapping[str, str], target: str
    ) -> Refreshed | str:
        """Replace the rows of affected keys in a copy of the earlier table.

        Args:
            model: whose definition has not changed since ``earlier``.
            plan: of the run document.
            earlier: the recorded build.
            inputs: reference -> content now.
            target: path of the new table.

        Returns:
            The refreshed model, or why it has to be built whole.

        Raises:
            ModelError: the query does not match the contract.
            LakeError: the new table cannot be written.
        """
        if plan is None or plan.kind == "full":
            return plan.reason if plan else "no refresh was planned for it"
        input_rows = max(self.rows_of(item.reference) for item in plan.driving)
        reason = refresh_costs_more(input_rows)
        if reason:
            return reason
        changed = self._changed(plan, earlier, inputs)
        if isinstance(changed, str):
            return changed
        with self._lock:
            done = ModelRefresh(self, model, plan, earlier, input_rows).run(changed, target)
        if is_local(target) and (isinstance(done, str) or done.changed is None):
            discard(target)  # what was written before that was known
        return done

    def _changed(
        self, plan: RefreshPlan, earlier: BuiltModel, inputs: Mapping[str, str]
    ) -> dict[str, ChangedRows] | str:
        found = {}
        for reference, content in inputs.items():
            if content == earlier.inputs.get(reference):
                continue
            if reference in plan.full_when_changed:
                return plan.full_when_changed[reference]
            if reference in plan.affected:
                changed = self.changes.find(reference, earlier.inputs.get(reference, ""))
                if changed is None:
                    return f"there is no complete change set of {reference} since its last build"
                found[reference] = changed
        return found

    def staging(self, model: str, part: str) -> str:
        """The folder of ``stage``."""
        return f"{self.paths.gold_staging}/{folder_name(model)}/{part}"

    def folder(self, model: str, part: str) -> str:
        """A folder for intermediate rows that is removed after the job."""
        path = self.staging(model, part)
        self.staged.append(path)
        return path

    def stage_parts(self, model: GoldModel, plan: RefreshPlan, parts: Sequence[KeyPart]) -> DataFrame | None:
        """Compute a model for one part of its keys after the other, as the part ``whole``, and read it from there.

        Args:
            model: to build whole.
            plan: of its refresh.
            parts: at least one; together all rows of the driving inputs.

        Returns:
            None if the engine refuses the restricted query, or fails on it.
        """

        def results() -> Iterator[DataFrame]:
            for part in parts:
                for view, rows in part.items():
                    rows.createOrReplaceTempView(view)
                yield in_contract_form(model.name, self.spark.sql(plan.restricted_sql), model.contract.columns)

        types = {column.name: column.type for column in model.contract.columns}
        with self._lock:
            try:
                return stage_rows(results(), self.folder(model.name, "whole"), types)
            except (PySparkException, ModelError):
                return None

    def stage(self, model: str, part: str, rows: DataFrame, *, ordered: bool = False) -> StagedFolder:
        """Write rows to a folder that is removed after the job, and read them from there."""
        path = self.folder(model, part)
        return StagedFolder(stage_rows([rows], path, dict(rows.dtypes), ordered=ordered), path)
