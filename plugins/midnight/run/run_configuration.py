"""The configuration that the Spark jobs of a run depend on: the tables and the gold models, checked together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from midnight.configuration.files import Configuration, ConfigurationFiles, read_configuration
from midnight.errors import ConfigurationError, ConfigurationProblem
from midnight.settings import Settings
from midnight.silver_to_gold.load_models import GoldFiles, read_gold_models
from midnight.silver_to_gold.masked_columns import masked_names
from midnight.silver_to_gold.models import GoldModel
from midnight.silver_to_gold.refresh.problems import refresh_problems
from midnight.silver_to_gold.source_rules import source_table_problems
from midnight.silver_to_gold.spark_sql.check import GoldSqlReport, check_gold_sql


@dataclass(frozen=True)
class RunConfiguration:
    """The tables and the gold models, each checked against the other.

    Args:
        tables: with the expression checks in the engine's dialect.
        models: with the queries in the engine's dialect.
        warnings: findings that do not stop a run.
    """

    tables: Configuration
    models: tuple[GoldModel, ...] = ()
    warnings: tuple[ConfigurationProblem, ...] = ()


@dataclass(frozen=True)
class RunFiles:
    """The readable part of the files that the Spark jobs depend on, and the problems of all of them.

    Args:
        files: ``pipeline.yml`` and ``tables/``.
        gold: ``sql/gold``, checked against the readable tables.
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
        """Empty while a file has problems: they may be the reason why a name is unknown."""
        try:
            if not self.files.problems:
                self.files.complete().select(tables)
        except ConfigurationError as error:
            return error.problems
        return ()


def read_run_files(settings: Settings) -> RunFiles:
    """Read all files without raising, so that one invalid file does not hide the problems of the others."""
    folder = settings.config
    files = read_configuration(folder)
    silver_tables = {table.silver for table in files.tables} | files.unreadable
    tables = (*files.tables, *files.columns_alone)
    gold = read_gold_models(folder / "sql" / "gold", silver_tables, masked_names(tables))
    documents = {table.silver: document for document, table in files.documents}
    partial = bool(files.problems or gold.problems)
    engine = "databricks" if settings.profile == "azure" else settings.engine
    report = check_gold_sql(gold.models, tables, engine, folder, documents, partial=partial)
    refresh = [] if partial else refresh_problems(report.models, tables, folder)
    rules = [] if partial else source_table_problems(folder, gold.contracts, tables)
    # A field that is already reported (the type of a masked column) is reported once.
    reported = {(p.where, p.line, p.field) for p in (*files.problems, *gold.problems) if p.field}
    problems = tuple(p for p in (*report.problems, *refresh, *rules) if (p.where, p.line, p.field) not in reported)
    return RunFiles(files, gold, replace(report, problems=problems))


def load_run_configuration(settings: Settings, tables: list[str]) -> RunConfiguration:
    """The configuration of the Spark jobs.

    Args:
        settings: where the configuration folder is.
        tables: names given as the run's parameter; empty means all.

    Raises:
        ConfigurationError: with all problems of the tables and models, and the names that are not configured.
    """
    return read_run_files(settings).complete(tables)
