"""Writes models that have to be built: a refresh where it is proved and pays, otherwise all rows."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

from pyspark.errors import PySparkException

from midnight.errors import LakeError, ModelError, first_line
from midnight.lake.paths import relative_gold_model
from midnight.silver_to_gold.builds import BuiltModel
from midnight.silver_to_gold.models import GoldModel
from midnight.silver_to_gold.refresh.plan import RefreshPlan
from spark_jobs.gold.audit import Replaced, WrittenModel
from spark_jobs.gold.changed_rows import ChangedRows, difference
from spark_jobs.gold.inputs import Inputs
from spark_jobs.gold.key_parts import key_parts
from spark_jobs.gold.ordered_inputs import order_inputs
from spark_jobs.gold.read_back import GoldReadBack
from spark_jobs.gold.refresh import Refresher
from spark_jobs.gold.refreshed_model import Refreshed
from spark_jobs.gold.tables import in_contract_form, query_failure, write_model
from spark_jobs.runtime.delta_log import count_by_log
from spark_jobs.runtime.delta_tables import open_table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

# A larger table that was built whole is not compared with the earlier one: its readers are built whole, too.
MOST_ROWS_COMPARED = 250_000


@dataclass(frozen=True)
class ToBuild:
    """A model that has to be built.

    Args:
        model: in the form that the engine gets.
        definition: ``definition_hash``.
        inputs: reference -> what identifies its content.
        plan: how it is refreshed; None if it is always built whole.
        earlier: its last build if that has the same definition and its folder exists; a refresh starts from it.
        why: why it cannot be refreshed, if ``earlier`` is None.
    """

    model: GoldModel
    definition: str
    inputs: dict[str, str]
    plan: RefreshPlan | None
    earlier: BuiltModel | None
    why: str


@dataclass(frozen=True)
class Written:
    """A model whose table is written, but not audited.

    Args:
        request: what was asked for.
        audited: its table, and which rows are new.
        path: of the table, relative to the root of gold.
        built_in: the build that wrote the table.
        built: see `BuiltModel`; ``why`` likewise.
        seconds: of the query and the write.
        rows: of the table, as its files say; None if only the audit counts them.
    """

    request: ToBuild
    audited: WrittenModel
    path: str
    built_in: str
    built: Literal["whole", "by key", "same rows"]
    why: str
    seconds: float
    rows: int | None = None


class ModelWriter:
    """Writes models; used by several threads.

    Args:
        build_id: of this build.
        inputs: the tables that the queries read.
        refresher: of models whose earlier table is known.
        compared: names of models that others read: their rows are compared with those of the earlier build.
        read_back: compares what is written with what is read back; None: nothing is compared.
    """

    def __init__(
        self,
        build_id: str,
        inputs: Inputs,
        refresher: Refresher,
        compared: frozenset[str],
        read_back: GoldReadBack | None = None,
    ) -> None:
        self._read_back = read_back
        self._spark, self._paths, self._changes = refresher.spark, refresher.paths, refresher.changes
        self._build_id, self._inputs, self._refresher, self._compared = build_id, inputs, refresher, compared

    def write(self, request: ToBuild) -> Written:
        """Write a model.

        Raises:
            ModelError: the query fails, or its result does not match the contract.
            LakeError: a table cannot be read or written.
            ReconciliationError: the written table does not have the rows of the query.
        """
        started = time.monotonic()
        model, earlier, why = request.model, request.earlier, request.why
        for reference in model.references.values():
            self._inputs.open(reference)
        if earlier is not None:
            path = self._paths.gold_model(model.name, self._build_id)
            done = self._refresher.refresh(model, request.plan, earlier, request.inputs, path)
            if isinstance(done, Refreshed):
                return self._refreshed(request, earlier, done, started)
            why = done
        return self._whole(request, why, started)

    def _refreshed(self, request: ToBuild, earlier: BuiltModel, done: Refreshed, started: float) -> Written:
        model = request.model
        if done.changed is None:
            table = self._open(model, earlier.path)
            path, built_in = earlier.path, earlier.built_in
        else:
            path, built_in = relative_gold_model(model.name, self._build_id), self._build_id
            if self._read_back is not None:
                staging = partial(self._refresher.staging, model.name)
                self._read_back.by_key(model, earlier, done, staging, self._paths.gold_folder(path))
            table = self._open(model, path)
            self._changes.add_model(model.name, ChangedRows(earlier.built_in, done.changed))
        replaced = Replaced(
            before=done.before,
            after=done.after,
            earlier_rows=earlier.rows,
            earlier_failures={check.name: check.failed_rows for check in earlier.checks},
            unchanged=frozenset(
                view for view, ref in model.references.items() if request.inputs[ref] == earlier.inputs.get(ref)
            ),
            key=done.key,
        )
        audited = WrittenModel(model, table, replaced)
        built: Literal["by key", "same rows"] = "same rows" if done.changed is None else "by key"
        return Written(request, audited, path, built_in, built, done.why, time.monotonic() - started, done.rows)

    def _whole(self, request: ToBuild, why: str, started: float) -> Written:
        model, earlier = request.model, request.earlier
        path = relative_gold_model(model.name, self._build_id)
        self._write_whole(request, self._paths.gold_folder(path))
        table = self._open(model, path)
        if earlier is not None and model.name in self._compared and self._has_same_rows(model, earlier, table):
            table = self._open(model, earlier.path)
            if self._read_back is not None:
                self._read_back.same_rows(model, earlier)
            seconds = time.monotonic() - started
            return Written(
                request, WrittenModel(model, table), earlier.path, earlier.built_in, "same rows", why, seconds
            )
        seconds = time.monotonic() - started
        audited = WrittenModel(model, table, rows=count_by_log(self._paths.gold_folder(path)))
        return Written(request, audited, path, self._build_id, "whole", why, seconds)

    def _write_whole(self, request: ToBuild, folder: str) -> None:
        """Write the result; staged before, if it is compared with what is read back, so that it is computed once."""
        model = request.model
        parts = key_parts(self._inputs, model, request.plan, self._refresher.rows_of)
        staged = self._refresher.stage_parts(model, request.plan, parts) if request.plan is not None and parts else None
        result = self._result(request) if staged is None else staged
        if self._read_back is not None and staged is None:
            try:
                result = self._refresher.stage(model.name, "whole", result, ordered=True).rows
            except PySparkException as error:
                raise ModelError(query_failure(model.name, error, model.arithmetic)) from error
        write_model(self._spark, model.name, result, folder, model.arithmetic)
        if self._read_back is not None:
            self._read_back.whole(model, result, self._refresher.staging(model.name, "whole"), folder)

    def _result(self, request: ToBuild) -> DataFrame:
        model = request.model
        links = partial(self._refresher.folder, model.name)
        order_inputs(self._inputs, model.references.values(), request.plan, links)
        try:
            return in_contract_form(model.name, self._spark.sql(model.sql), model.contract.columns)
        except PySparkException as error:
            message = f"gold.{model.name}: invalid query: {first_line(error)}; hint: correct {model.name}.sql"
            raise ModelError(message) from error

    def _open(self, model: GoldModel, path: str) -> DataFrame:
        folder = self._paths.gold_folder(path)
        table = open_table(self._spark, folder)
        if table is None:
            raise LakeError(f"{folder} was deleted while the job was running; hint: clear the task")
        self._inputs.add(f"gold.{model.name}", table)
        return table

    def _has_same_rows(self, model: GoldModel, earlier: BuiltModel, table: DataFrame) -> bool:
        """Compare a small table with the earlier build, and keep what differs for the models that read it."""
        if earlier.rows > MOST_ROWS_COMPARED:
            return False
        before = open_table(self._spark, self._paths.gold_folder(earlier.path))
        if before is None:
            return False
        changed = self._refresher.stage(model.name, "changed", difference(before, table))
        if not changed.count():
            return True
        self._changes.add_model(model.name, ChangedRows(earlier.built_in, changed.rows))
        return False


def read_by_others(models: tuple[GoldModel, ...]) -> frozenset[str]:
    """Names of the models that the query of another model reads, or one of its checks."""
    references = {ref for model in models for ref in model.references.values()}
    return frozenset(ref.removeprefix("gold.") for ref in references if ref.startswith("gold."))
