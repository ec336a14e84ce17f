"""Build gold: each model into a folder of its own, checked, and visible only when the whole build is recorded.

A model is built again when its query, its contract, or one of its inputs changed since the last recorded build;
otherwise the build refers to the folder of an older one. Nothing is ever overwritten: a job that dies in the middle,
or a check that fails, leaves yesterday's gold as it was.
"""

from __future__ import annotations

import hashlib
import json
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pyspark.errors import PySparkException  # noqa: TID253 - a Spark job
from pyspark.sql import Window  # noqa: TID253 - a Spark job
from pyspark.sql import functions as F  # noqa: TID253 - a Spark job

from midnight.errors import LakeError, ModelError, QualityGateError
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
from spark_jobs.gold.tables import (
    first_line,
    in_contract_form,
    last_build,
    record_build,
    write_model,
)
from spark_jobs.runtime.delta_tables import load_table
from spark_jobs.runtime.job import run as run_job
from spark_jobs.transforms.gold_checks import audit, longest_texts

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from midnight.silver_to_gold.development_builds import DevelopmentBuild

# Part of every definition: raise it when the same query and contract would give another table.
JOB_FORMAT = 1


def run() -> None:
    """Console script and wheel entry point."""
    run_job(build_gold, "silver_to_gold")


def build_gold(spark: SparkSession, document: RunDocument, development: DevelopmentBuild | None = None) -> GoldBuild:
    """Build what changed, check it, and record the build.

    Args:
        spark: any session of the Spark Connect subset.
        document: the run; ``models`` in an order in which each follows those that it refers to.
        development: what `make build` builds; it starts from the newest build of any kind and is recorded where no run
            sees it.

    Raises:
        ModelError: a query fails, or does not give what its contract says.
        QualityGateError: a check with ``on_failure: fail`` failed.
        LakeError: a table cannot be read or written.
    """
    return GoldJob(spark, document, development).build()


class GoldJob:
    """One attempt to build gold for one run, or for a person."""

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
        """Every model in order; see ``build_gold``."""
        for model in self._document.models:
            self._build_model(model)
        if self._failures:
            self._raise_failures()
        build = GoldBuild(
            build_id=self._build_id,
            batch_id=self._document.batch_id,
            run_id=self._document.run_id,
            completed_at=datetime.now(UTC),
            models=self._built,
        )
        record_build(self._spark, self._records, build)
        print(f"gold: build {self._build_id} recorded, {len(self._built)} models", flush=True)
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
        shown = f", warnings: {'; '.join(warnings)}" if warnings else ""
        print(f"gold.{model.name}: {rows} rows in {time.monotonic() - started:.1f} s{shown}", flush=True)

    def _content(self, reference: str) -> str:
        """What identifies the content of an input; empty when nothing does, and then it counts as changed."""
        layer, _, name = reference.partition(".")
        if layer == "gold":
            return self._built[name].built_in
        content = self._silver_contents.get(name, "")
        # A column that is gone, or new and null everywhere, changes no row that the ledger would count.
        columns = repr(self._table(reference).dtypes)
        return content and f"{content}#{hashlib.sha256(columns.encode()).hexdigest()[:12]}"

    def _is_left_out(self, name: str, earlier: BuiltModel) -> bool:
        """Of a development build: whether the model keeps its table, even if that is out of date."""
        left_out = self._development is not None and name not in self._development.considered
        return left_out and self._exists(earlier)

    def _is_current(self, name: str, earlier: BuiltModel, definition: str, inputs: dict[str, str]) -> bool:
        if self._development is not None and name in self._development.forced:
            return False
        unchanged = earlier.definition == definition and earlier.inputs == inputs and all(inputs.values())
        return unchanged and self._exists(earlier)

    def _exists(self, earlier: BuiltModel) -> bool:
        """Somebody may have emptied the lake behind our back; then a model is built again."""
        return load_table(self._spark, self._paths.gold_folder(earlier.path)) is not None

    def _write(self, model: GoldModel) -> DataFrame:
        for reference in model.references.values():
            self._table(reference)
        try:
            result = in_contract_form(model.name, self._spark.sql(model.sql), model.contract.columns)
        except PySparkException as error:
            message = f"gold.{model.name}: the query is wrong: {first_line(error)}; correct {model.name}.sql"
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
                raise LakeError(f"{reference} does not exist at {path}; run the pipeline with this table first")
            self._add_view(view, table)
        return self._views[view]

    def _add_view(self, view: str, table: DataFrame) -> None:
        table.createOrReplaceTempView(view)
        self._views[view] = table

    def _audit(self, model: GoldModel, table: DataFrame) -> tuple[int, list[CheckResult]]:
        try:
            rows, checks = audit(self._spark, table, model.contract, self._views)
        except PySparkException as error:
            message = f"gold.{model.name}: a check cannot be evaluated: {first_line(error)}; correct {model.name}.yml"
            raise ModelError(message) from error
        failed = [check for check in checks if not check.passed and check.on_failure == "fail"]
        if failed:
            named = ", ".join(f"{check.name} ({check.rule}) in {check.failed_rows} rows" for check in failed)
            path = self._paths.gold_model(model.name, self._build_id)
            message = f"gold.{model.name}: {named} of {rows} failed; the rows are in {path}"
            if any(check.name == "max_length" for check in failed):
                longest = ", ".join(f"{name} {n}" for name, n in longest_texts(table, model.contract).items())
                message += f"; characters of the longest texts: {longest}; raise max_length in {model.name}.yml"
            self._failures[model.name] = message
        return rows, checks

    def _raise_failures(self) -> None:
        raise QualityGateError(
            f"{'; '.join(self._failures.values())}; readers keep the earlier build. Correct the source, the rule "
            "or the model, and clear the task"
        )


def _columns(model: GoldModel) -> tuple[BuiltColumn, ...]:
    return tuple(BuiltColumn(**column.model_dump()) for column in model.contract.columns)


def definition_hash(model: GoldModel) -> str:
    """Identifies what decides the table and its checks: query and contract, but not the descriptions."""
    contract = model.contract
    columns = [(column.name, column.type, column.max_length) for column in contract.columns]
    checks = [check.model_dump(mode="json", exclude={"description"}) for check in contract.checks]
    text = json.dumps([JOB_FORMAT, model.sql, contract.key, columns, checks], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def silver_contents(spark: SparkSession, ledger_path: str) -> dict[str, str]:
    """What identifies the content of each silver table: the last entry of the ledger that may have changed it.

    An entry may have changed its table when it was applied with inserted, updated or deleted rows, when it failed, or
    when it was started and nothing says how it ended (the job died; the next attempt may then find nothing to do).
    A Delta version would say the same, but no statement that every engine knows can ask for it.
    """
    ledger = load_table(spark, ledger_path)
    if ledger is None:
        return {}
    order = Window.partitionBy("table").orderBy("attempt_at", F.when(F.col("status") == "started", 0).otherwise(1))
    changes = F.col("inserted") + F.col("updated") + F.col("deleted")
    died = (F.col("status") == "started") & (F.coalesce(F.col("next_status"), F.lit("started")) == "started")
    may_have_changed = ((F.col("status") == "applied") & (changes > 0)) | (F.col("status") == "failed") | died
    last = (
        ledger.withColumn("next_status", F.lead("status").over(order))
        .where(may_have_changed)
        .groupBy("table")
        .agg(F.max(F.struct("attempt_at", "batch_id")).alias("last"))
    )
    rows = last.select("table", F.date_format("last.attempt_at", "yyyy-MM-dd'T'HH:mm:ss.SSSSSS").alias("at"), "last")
    return {row["table"]: f"{row['last']['batch_id']}@{row['at']}" for row in rows.collect()}


if __name__ == "__main__":
    run()
