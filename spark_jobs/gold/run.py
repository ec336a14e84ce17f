"""Builds gold: each model into its own folder, audited, and visible only when the complete build is recorded.

A model is built again if its query, its contract, or one of its inputs changed since the last recorded build;
otherwise the new build refers to the folder of the older one. Nothing is ever overwritten: a job that is killed, or a
check that fails, leaves the last good gold unchanged.
"""

from __future__ import annotations

import hashlib
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pyspark.errors import PySparkException

from midnight.errors import LakeError, ModelError, QualityGateError, first_line
from midnight.lake.paths import relative_gold_model
from midnight.run.document import RunDocument
from midnight.silver_to_gold.builds import (
    BuiltColumn,
    BuiltModel,
    CheckResult,
    GoldBuild,
    make_build_id,
)
from midnight.silver_to_gold.models import GoldModel
from midnight.silver_to_gold.sql_references import view_name
from spark_jobs.gold.audit import audit_model, describe_failure
from spark_jobs.gold.build_records import last_build, record_build
from spark_jobs.gold.changes import definition_hash, silver_contents
from spark_jobs.gold.tables import in_contract_form, write_model
from spark_jobs.runtime.delta_tables import load_table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from midnight.silver_to_gold.development_builds import DevelopmentBuild


def build_gold(spark: SparkSession, document: RunDocument, development: DevelopmentBuild | None = None) -> GoldBuild:
    """Build what changed, audit it, and record the build.

    Args:
        spark: any session of the Spark Connect subset.
        document: the run; ``models`` in an order in which each follows the models that it references.
        development: what `make build` builds; it starts from the newest build of any kind and is recorded in a table
            that runs do not read.

    Raises:
        ModelError: a query fails, or its result does not match the contract.
        QualityGateError: a check with ``on_failure: fail`` failed.
        LakeError: a table cannot be read or written.
    """
    return GoldRun(spark, document, development).build()


class GoldRun:
    """One attempt to build gold, for a run or for `make build`."""

    def __init__(self, spark: SparkSession, document: RunDocument, development: DevelopmentBuild | None = None) -> None:
        self._spark = spark
        self._document = document
        self._development = development
        self._paths = document.paths
        self._records = self._paths.gold_builds if development is None else self._paths.development_builds
        self._build_id = make_build_id(document.batch_id, datetime.now(UTC))
        self._views: dict[str, DataFrame] = {}
        self._built: dict[str, BuiltModel] = {}
        self._failures: dict[str, str] = {}
        self._silver_contents = silver_contents(spark, self._paths.ledger)
        last = last_build(spark, *dict.fromkeys((self._paths.gold_builds, self._records)))
        self._earlier = {} if last is None or document.rebuild else last.models

    def build(self) -> GoldBuild:
        """Build every model in order; see ``build_gold``."""
        for model in self._document.models:
            self._build_model(model)
        if self._failures:
            raise QualityGateError(
                f"{'; '.join(self._failures.values())}; readers keep the earlier build; hint: correct the source, the "
                "check or the model, then clear the task"
            )
        build = GoldBuild(
            build_id=self._build_id,
            batch_id=self._document.batch_id,
            run_id=self._document.run_id,
            completed_at=datetime.now(UTC),
            models=self._built,
        )
        record_build(self._spark, self._records, build)
        print(f"gold: recorded build {self._build_id} with {len(self._built)} models", flush=True)
        return build

    def _build_model(self, model: GoldModel) -> None:
        failed = [name for name in model.references.values() if name.removeprefix("gold.") in self._failures]
        if failed:
            self._failures[model.name] = f"gold.{model.name} was not built, since {failed[0]} failed"
            return
        for warning in model.warnings:
            print(f"gold.{model.name}: warning: {warning}", flush=True)
        inputs = {reference: self._content(reference) for reference in sorted(model.references.values())}
        definition = definition_hash(model)
        earlier = self._earlier.get(model.name)
        if earlier is not None and self._is_left_out(model.name, earlier):
            self._built[model.name] = earlier
            return
        if earlier is not None and self._is_current(model.name, earlier, definition, inputs):
            described = {"description": model.contract.description, "columns": _columns(model)}
            self._built[model.name] = earlier.model_copy(update=described)
            print(f"gold.{model.name}: unchanged since build {earlier.built_in}, {earlier.rows} rows", flush=True)
            return
        started = time.monotonic()
        table = self._write(model)
        rows, checks = self._audit(model, table)
        self._built[model.name] = BuiltModel(
            path=relative_gold_model(model.name, self._build_id),
            rows=rows,
            built_in=self._build_id,
            definition=definition,
            inputs=inputs,
            description=model.contract.description,
            key=model.contract.key,
            columns=_columns(model),
            checks=tuple(checks),
            seconds=round(time.monotonic() - started, 3),
        )
        warnings = [f"{check.name}: {check.failed_rows} rows" for check in checks if not check.passed]
        suffix = f", warnings: {'; '.join(warnings)}" if warnings else ""
        print(f"gold.{model.name}: {rows} rows in {time.monotonic() - started:.1f} s{suffix}", flush=True)

    def _content(self, reference: str) -> str:
        """What identifies the content of an input; empty if unknown, which counts as changed."""
        layer, _, name = reference.partition(".")
        if layer == "gold":
            return self._built[name].built_in
        content = self._silver_contents.get(name, "")
        # A removed column, or a new one that is null in all rows, changes no row that the ledger would count.
        columns = repr(self._table(reference).dtypes)
        return content and f"{content}#{hashlib.sha256(columns.encode()).hexdigest()[:12]}"

    def _is_left_out(self, name: str, earlier: BuiltModel) -> bool:
        """Whether a development build keeps the existing table of the model, even if it is out of date."""
        left_out = self._development is not None and name not in self._development.considered
        return left_out and self._exists(earlier)

    def _is_current(self, name: str, earlier: BuiltModel, definition: str, inputs: dict[str, str]) -> bool:
        if self._development is not None and name in self._development.forced:
            return False
        unchanged = earlier.definition == definition and earlier.inputs == inputs and all(inputs.values())
        return unchanged and self._exists(earlier)

    def _exists(self, earlier: BuiltModel) -> bool:
        """The folder may have been deleted by hand; then the model is built again."""
        return load_table(self._spark, self._paths.gold_folder(earlier.path)) is not None

    def _write(self, model: GoldModel) -> DataFrame:
        for reference in model.references.values():
            self._table(reference)
        try:
            result = in_contract_form(model.name, self._spark.sql(model.sql), model.contract.columns)
        except PySparkException as error:
            message = f"gold.{model.name}: invalid query: {first_line(error)}; hint: correct {model.name}.sql"
            raise ModelError(message) from error
        path = self._paths.gold_model(model.name, self._build_id)
        table = write_model(self._spark, model.name, result, path, model.arithmetic)
        self._add_view(view_name(f"gold.{model.name}"), table)
        return table

    def _table(self, reference: str) -> DataFrame:
        view = view_name(reference)
        if view not in self._views:
            layer, _, name = reference.partition(".")
            silver = layer == "silver"
            path = self._paths.silver_table(name) if silver else self._paths.gold_folder(self._built[name].path)
            table = load_table(self._spark, path)
            if table is None:
                raise LakeError(f"{reference} does not exist at {path}; hint: run the pipeline with this table first")
            self._add_view(view, table)
        return self._views[view]

    def _add_view(self, view: str, table: DataFrame) -> None:
        table.createOrReplaceTempView(view)
        self._views[view] = table

    def _audit(self, model: GoldModel, table: DataFrame) -> tuple[int, list[CheckResult]]:
        try:
            rows, results = audit_model(self._spark, table, model.contract, self._views)
        except PySparkException as error:
            message = f"gold.{model.name}: cannot evaluate a check: {first_line(error)}; hint: correct {model.name}.yml"
            raise ModelError(message) from error
        path = self._paths.gold_model(model.name, self._build_id)
        failure = describe_failure(model, table, path, rows, results)
        if failure:
            self._failures[model.name] = failure
        return rows, results


def _columns(model: GoldModel) -> tuple[BuiltColumn, ...]:
    return tuple(BuiltColumn(**column.model_dump()) for column in model.contract.columns)
