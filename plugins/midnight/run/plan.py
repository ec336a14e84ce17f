"""What a run shall do: the whole configuration checked, and the run document made from it and the sealed batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from midnight.bronze.batches import BronzeStore
from midnight.bronze.increments import batch_chain, complete_chains
from midnight.bronze_to_silver.table_order import check_chain
from midnight.configuration.pipeline import Configuration, ConfigurationFiles, read_configuration
from midnight.errors import BronzeError, ConfigurationError, ConfigurationProblem
from midnight.lake.files import LakeFiles
from midnight.names import qualified_name
from midnight.run.document import RunDocument, TableWork
from midnight.settings import Settings
from midnight.silver_to_gold.load_models import GoldFiles, read_gold_models
from midnight.silver_to_gold.masked_columns import masked_names
from midnight.silver_to_gold.models import GoldModel
from midnight.silver_to_gold.spark_sql.check import GoldSqlReport, check_gold_sql


@dataclass(frozen=True)
class RunConfiguration:
    """The tables and the gold models, each checked against the other.

    Args:
        tables: expression checks are as the engine gets them.
        models: queries are as the engine gets them.
        warnings: what a person should look at, and a run does not depend on.
    """

    tables: Configuration
    models: tuple[GoldModel, ...]
    warnings: tuple[ConfigurationProblem, ...] = ()


@dataclass(frozen=True)
class RunRequest:
    """What identifies a run and what it was triggered with.

    Args:
        batch_id: of the run.
        run_id: Airflow's run id.
        tables: names given as the run's parameter; empty means all.
        rebuild: rebuild silver from all sealed batches instead of merging the newest ones into it.
    """

    batch_id: str
    run_id: str
    tables: tuple[str, ...] = ()
    rebuild: bool = False


@dataclass(frozen=True)
class RunFiles:
    """What could be read of the files that the Spark jobs depend on, and what is wrong with them.

    Args:
        files: ``pipeline.yml`` and ``tables/``.
        gold: ``sql/gold``, checked against the tables that could be read.
        sql: the columns, types and functions of the models, and of the tables' checks.
    """

    files: ConfigurationFiles
    gold: GoldFiles
    sql: GoldSqlReport

    @property
    def problems(self) -> tuple[ConfigurationProblem, ...]:
        return (*self.files.problems, *self.gold.problems, *self.sql.problems)

    def complete(self, tables: list[str], others: Sequence[ConfigurationProblem] = ()) -> RunConfiguration:
        """The configuration of a run.

        Args:
            tables: names given as the run's parameter; empty means all.
            others: problems of the complete check, in its order.

        Raises:
            ConfigurationError: with all problems, and the names that are not configured.
        """
        problems = list(dict.fromkeys((*others, *self.problems, *self._unknown_names(tables))))
        if problems:
            raise ConfigurationError(problems)
        configuration = replace(self.files.complete(), tables=self.sql.tables)
        return RunConfiguration(configuration, self.sql.models, self.sql.warnings)

    def _unknown_names(self, tables: list[str]) -> Sequence[ConfigurationProblem]:
        """None while a file has problems, which may explain them."""
        try:
            if not self.files.problems:
                self.files.complete().select(tables)
        except ConfigurationError as error:
            return error.problems
        return ()


def read_run_files(settings: Settings) -> RunFiles:
    """Read the files; nothing is raised, so that one that is wrong does not hide the others."""
    folder = settings.config
    files = read_configuration(folder)
    silver_tables = {table.silver for table in files.tables} | files.unreadable
    tables = (*files.tables, *files.columns_alone)
    gold = read_gold_models(folder / "sql" / "gold", silver_tables, masked_names(tables))
    documents = {table.silver: document for document, table in files.documents}
    partial = bool(files.problems or gold.problems)
    engine = "databricks" if settings.profile == "azure" else settings.engine
    report = check_gold_sql(gold.models, tables, engine, folder, documents, partial=partial)
    # A field that is wrong already (the type of a masked column) is said once.
    said = {(p.where, p.line, p.field) for p in (*files.problems, *gold.problems) if p.field}
    problems = tuple(p for p in report.problems if (p.where, p.line, p.field) not in said)
    return RunFiles(files, gold, replace(report, problems=problems))


def load_run_configuration(settings: Settings, tables: list[str]) -> RunConfiguration:
    """The configuration of what the Spark jobs do.

    Args:
        settings: where the configuration folder is.
        tables: names given as the run's parameter; empty means all.

    Raises:
        ConfigurationError: with all problems of the tables and models, and the names that are not configured.
    """
    return read_run_files(settings).complete(tables)


def write_plan(settings: Settings, lake: LakeFiles, request: RunRequest) -> RunDocument:
    """Verify the sealed batches and write the run document of a batch.

    Args:
        settings: where the configuration and the lake are.
        lake: file operations.
        request: the run.

    Raises:
        ConfigurationError: the configuration is wrong.
        BronzeError: a batch is missing, unsealed, or does not match its manifest.
    """
    configuration = load_run_configuration(settings, list(request.tables))
    bronze = BronzeStore(lake, settings.paths, configuration.tables.pipeline.source.name)
    return plan_run(request, configuration, bronze)


def renew_rebuild_plan(settings: Settings, lake: LakeFiles, batch_id: str) -> RunDocument | None:
    """Plan a rebuild again, right before it begins; None for a run that is none, or that has no plan yet.

    A rebuild may have waited for the nightly run. Without the batch that this one has applied meanwhile, the rebuild
    would take silver back by a night.

    Raises:
        ConfigurationError, BronzeError: as ``write_plan``.
    """
    text = lake.read_text(settings.paths.run_document(batch_id))
    document = None if text is None else RunDocument.model_validate_json(text)
    if document is None or not document.rebuild:
        return None
    names = tuple(work.table.qualified_name for work in document.tables)
    return write_plan(settings, lake, RunRequest(batch_id, document.run_id, names, rebuild=True))


def plan_run(request: RunRequest, configuration: RunConfiguration, bronze: BronzeStore) -> RunDocument:
    """What the Spark jobs of a run must do, written to ``paths.run_document(batch_id)``.

    Each table gets its newest sealed batch up to this run's (a table that this run did not read keeps an older one),
    an increment with all batches back to the last whole table; for a rebuild all of them in order.

    Args:
        request: the run.
        configuration: the tables to choose from, and the models.
        bronze: the source's batches.

    Raises:
        ConfigurationError: a name of ``request.tables`` is not configured.
        BronzeError: a table has no sealed batch, an increment continues one that is gone or was read for another key
            than the table's, or a file of a chosen batch is missing or of another size.
        LakeError: the document cannot be written.
    """
    work, without = [], []
    for table in configuration.tables.select(list(request.tables)):
        everything = complete_chains(bronze.sealed_batches(table)) if request.rebuild else []
        newest = bronze.newest_sealed_batch(table, not_after=None if request.rebuild else request.batch_id)
        chain = () if newest is None else batch_chain(newest, partial(bronze.read_manifest, table))
        check_chain(table, chain)
        batches = everything or chain
        if not batches:
            without.append(qualified_name(table.schema_name, table.table))
        for manifest in batches:
            bronze.verify_batch(manifest, content=False)
        work.append(TableWork(table=table, batches=tuple(batches)))
    if without:
        raise BronzeError(
            f"no sealed bronze batch of {', '.join(without)} up to {request.batch_id}; "
            "run midnight_pipeline for these tables first"
        )
    document = RunDocument(
        batch_id=request.batch_id,
        run_id=request.run_id,
        lake=bronze.paths.as_dict(),
        rebuild=request.rebuild,
        tables=tuple(work),
        models=configuration.models,
    )
    bronze.lake.write_text(bronze.paths.run_document(request.batch_id), document.to_json())
    return document
