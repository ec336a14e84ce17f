"""Builds gold: each model into its own folder, audited, and visible only when the complete build is recorded.

A model is built again if its query, its contract, or one of its inputs changed since the last recorded build;
otherwise the new build refers to the folder of the older one. Nothing is ever overwritten: a job that is killed, or a
check that fails, leaves the last good gold unchanged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pyspark.errors import PySparkException

from midnight.errors import LakeError, ModelError, QualityGateError, first_line
from midnight.run.document import RunDocument
from midnight.silver_to_gold.builds import BuiltColumn, BuiltModel, CheckResult, GoldBuild, make_build_id
from midnight.silver_to_gold.models import GoldModel, levels
from midnight.silver_to_gold.sql_references import view_name
from spark_jobs.gold.audit import MODELS_PER_QUERY, audit_models, describe_failure
from spark_jobs.gold.build_records import last_build, record_build
from spark_jobs.gold.changed_rows import InputChanges
from spark_jobs.gold.changes import definition_hash, read_silver_histories
from spark_jobs.gold.inputs import Inputs, missing_tables
from spark_jobs.gold.kept import KeptModels
from spark_jobs.gold.read_back import GoldReadBack
from spark_jobs.gold.refresh import Refresher
from spark_jobs.gold.releases import Releases
from spark_jobs.gold.silver_check import check_silver
from spark_jobs.gold.source_rules import compare_rules
from spark_jobs.gold.tables import check_protocols
from spark_jobs.gold.write_models import ModelWriter, ToBuild, Written, read_by_others
from spark_jobs.reconciliation.log import log_and_record
from spark_jobs.reconciliation.proofs import Proof, Proofs
from spark_jobs.runtime.delta_tables import discard

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from midnight.silver_to_gold.development_builds import DevelopmentBuild

# Models that do not read each other are written side by side: more threads would only wait for the same two cores.
_THREADS = 2


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
        ReconciliationError: a table of silver or gold does not have the rows that were computed.
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
        self._built: dict[str, BuiltModel] = {}
        self._failures: dict[str, str] = {}
        self._releases = Releases(document)
        self._histories = read_silver_histories(spark, self._paths.ledger)
        last = last_build(spark, *dict.fromkeys((self._paths.gold_builds, self._records)))
        self._earlier = {} if last is None or document.rebuild else dict(last.models)
        self._kept = KeptModels(document, last)
        inputs = Inputs(spark, self._path_of)
        changes = InputChanges(spark, self._paths, self._histories, inputs)
        self._refresher = Refresher(spark, self._paths, changes, self._rows_of, self._path_of)
        self._inputs = inputs
        references = {ref for model in document.models for ref in (*model.references.values(), f"gold.{model.name}")}
        self._references = {view_name(reference): reference for reference in references}
        self._proofs = Proofs(spark, self._paths.gold_digests)
        proves = development is None and any(work.table.reconcile == "digests" for work in document.tables)
        self._read_back = GoldReadBack.begin(spark, self._paths, self._proofs, self._build_id) if proves else None
        read = read_by_others(document.models)
        self._writer = ModelWriter(self._build_id, inputs, self._refresher, read, self._read_back)

    def build(self) -> GoldBuild:
        """Build every model in order; see ``build_gold``."""
        self._forget_deleted_tables()
        try:
            if self._read_back is not None:
                check_silver(self._spark, self._document)
            for level in levels(self._document.models):
                self._build_level(level)
            if not self._failures:
                self._compare_rules()
            if self._read_back is not None and not self._failures:
                contracts = {model.name: model.contract for model in self._document.models}
                self._read_back.unwritten(self._built, contracts)
                self._proofs.save()
        finally:
            log_and_record(self._spark, self._document, "silver_to_gold", self._proofs.records)
            if self._refresher.staged:
                discard(self._paths.gold_staging)
        if self._failures:
            raise QualityGateError(
                f"{'; '.join(self._failures.values())}; readers keep the earlier build; hint: correct the source, the "
                "check or the model, then start a new run",
                self._releases.releasable,
            )
        new = {name: built.path for name, built in self._built.items() if built.built_in == self._build_id}
        check_protocols(self._spark, {name: self._paths.gold_folder(path) for name, path in new.items()})
        build = GoldBuild(
            build_id=self._build_id,
            batch_id=self._document.batch_id,
            run_id=self._document.run_id,
            completed_at=datetime.now(UTC),
            models={m.name: self._built[m.name] for m in self._document.models if m.name in self._built},
        )
        record_build(self._spark, self._records, build)
        print(f"gold: recorded build {self._build_id} with {len(self._built)} models", flush=True)
        return build

    def _compare_rules(self) -> None:
        """Compare figures with the source; not for a development build, whose silver may be of any run."""
        if self._development is not None:
            return
        records = compare_rules(self._document, lambda name: self._inputs.open(f"gold.{name}"))
        self._proofs.add(Proof(tuple(records)))
        for record in records:
            if record.status == "not checked":
                print(f"{record.table}: warning: not compared with the source: {record.reason}", flush=True)
        self._releases.stop_on_difference(records)

    def _forget_deleted_tables(self) -> None:
        """A folder may have been deleted by hand; then the model is built again."""
        names = {model.name for model in self._document.models}
        earlier = self._kept.tables | self._earlier
        paths = {n: self._paths.gold_folder(built.path) for n, built in earlier.items() if n in names}
        missing = missing_tables(self._spark, set(paths.values()))
        for name, path in paths.items():
            if path in missing:
                self._earlier.pop(name, None)
                self._kept.tables.pop(name, None)

    def _build_level(self, models: Sequence[GoldModel]) -> None:
        """Build models that do not read each other."""
        requests = [request for model in models if (request := self._request(model)) is not None]
        if not requests:
            return
        with ThreadPoolExecutor(_THREADS) as pool:
            written = list(pool.map(self._writer.write, requests))
        for start in range(0, len(written), MODELS_PER_QUERY):
            self._audit(written[start : start + MODELS_PER_QUERY])

    def _request(self, model: GoldModel) -> ToBuild | None:
        """None if the model keeps its earlier table, or if a model that it reads failed."""
        if model in self._kept:
            self._kept.take(model, self._built)
            return None
        failed = [name for name in model.references.values() if name.removeprefix("gold.") in self._failures]
        if failed:
            self._failures[model.name] = f"gold.{model.name} was not built, since {failed[0]} failed"
            return None
        for warning in model.warnings:
            print(f"gold.{model.name}: warning: {warning}", flush=True)
        inputs = {reference: self._content(reference) for reference in sorted(model.references.values())}
        definition = definition_hash(model)
        earlier = self._earlier.get(model.name)
        if earlier is not None and self._is_left_out(model.name):
            self._built[model.name] = earlier
            return None
        why = self._why_whole(model.name, earlier, definition, inputs)
        if earlier is None or why or earlier.inputs != inputs:
            plan = self._document.refresh.get(model.name)
            return ToBuild(model, definition, inputs, plan, None if why else earlier, why)
        described = {"description": model.contract.description, "columns": _columns(model)}
        described["released"] = self._releases.texts.get(model.name, "")
        self._built[model.name] = earlier.model_copy(update=described)
        print(f"gold.{model.name}: unchanged since build {earlier.built_in}, {earlier.rows} rows", flush=True)
        return None

    def _why_whole(self, name: str, earlier: BuiltModel | None, definition: str, inputs: Mapping[str, str]) -> str:
        """Why a refresh cannot start from the earlier build; empty if it can."""
        if earlier is None:
            return "there is no earlier build"
        if earlier.definition != definition:
            return "its query or contract changed"
        if self._development is not None and name in self._development.forced:
            return "it was named"
        unknown = [reference for reference, content in inputs.items() if not content]
        return f"the ledger does not have {', '.join(unknown)}" if unknown else ""

    def _content(self, reference: str) -> str:
        """What identifies the content of an input; empty if unknown, which counts as changed."""
        layer, _, name = reference.partition(".")
        if layer == "gold":
            return self._built[name].built_in
        return self._histories[name].identity if name in self._histories else ""

    def _is_left_out(self, name: str) -> bool:
        """Whether a development build keeps the existing table of the model, even if it is out of date."""
        return self._development is not None and name not in self._development.considered

    def _path_of(self, reference: str) -> str:
        layer, _, name = reference.partition(".")
        return self._paths.silver_table(name) if layer == "silver" else self._paths.gold_folder(self._built[name].path)

    def _rows_of(self, reference: str) -> int:
        layer, _, name = reference.partition(".")
        if layer == "gold":
            return self._built[name].rows
        return self._histories[name].entries[-1].silver_after if name in self._histories else 0

    def _audit(self, written: Sequence[Written]) -> None:
        """Audit models in one query, and describe them."""
        try:
            audited = audit_models(self._spark, [each.audited for each in written], self._view)
        except PySparkException as error:
            if len(written) > 1:  # one by one, to find the model
                for each in written:
                    self._audit([each])
                return
            name = written[0].request.model.name
            message = f"gold.{name}: cannot evaluate a check: {first_line(error)}; hint: correct {name}.yml"
            raise ModelError(message) from error
        for each, (rows, checks) in zip(written, audited, strict=True):
            self._describe(each, rows, checks)

    def _view(self, view: str) -> DataFrame:
        return self._inputs.open(self._references[view])

    def _describe(self, written: Written, rows: int, checks: Sequence[CheckResult]) -> None:
        model = written.request.model
        path = self._paths.gold_folder(written.path)
        if written.rows not in (None, rows):
            raise LakeError(
                f"gold.{model.name}: {path} has {written.rows} rows, expected {rows}; hint: this is a defect of "
                f"Midnight, please report it, and set refresh: full in {model.name}.yml"
            )
        failure = describe_failure(model, written.audited.table, path, rows, checks)
        if failure:
            self._failures[model.name] = failure
            self._releases.note(model, checks)
        self._built[model.name] = BuiltModel(
            path=written.path,
            rows=rows,
            built_in=written.built_in,
            definition=written.request.definition,
            inputs=written.request.inputs,
            description=model.contract.description,
            key=model.contract.key,
            columns=_columns(model),
            checks=tuple(checks),
            seconds=round(written.seconds, 3),
            built=written.built,
            why=written.why,
            released=self._releases.texts.get(model.name, ""),
        )
        warnings = [f"{check.name}: {check.failed_rows} rows" for check in checks if not check.passed]
        suffix = f", warnings: {'; '.join(warnings)}" if warnings else ""
        how = f"{written.built}: {written.why}"
        print(f"gold.{model.name}: {rows} rows in {written.seconds:.1f} s ({how}){suffix}", flush=True)


def _columns(model: GoldModel) -> tuple[BuiltColumn, ...]:
    return tuple(BuiltColumn(**column.model_dump()) for column in model.contract.columns)
