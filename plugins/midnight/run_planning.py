"""What a run shall do: the whole configuration checked, and the run document made from it and the sealed batches."""

from __future__ import annotations

from dataclasses import dataclass

from midnight.bronze_batches import plan_run
from midnight.errors import ConfigurationError, ConfigurationProblem
from midnight.gold_masking import masked_names
from midnight.gold_models import GoldModel
from midnight.lake_files import LakeFiles
from midnight.pipeline_config import Configuration, load_configuration, silver_names
from midnight.run_document import RunDocument
from midnight.settings import Settings
from midnight.silver_to_gold import load_gold_models


@dataclass(frozen=True)
class RunConfiguration:
    """The tables and the gold models, each checked against the other."""

    tables: Configuration
    models: tuple[GoldModel, ...]


def load_run_configuration(settings: Settings, tables: list[str]) -> RunConfiguration:
    """The whole configuration of a run.

    Args:
        settings: where the configuration folder is.
        tables: names given as the run's parameter; empty means all.

    Raises:
        ConfigurationError: with all problems of all files, and the names that are not configured.
    """
    configuration: Configuration | None = None
    models: tuple[GoldModel, ...] = ()
    problems: list[ConfigurationProblem] = []
    try:
        configuration = load_configuration(settings.config)
        configuration.select(tables)
    except ConfigurationError as error:
        problems += error.problems
    known = configuration.tables if configuration is not None else ()
    silver_tables = {table.silver for table in known} or silver_names(settings.config)
    try:
        models = load_gold_models(settings.config / "sql" / "gold", silver_tables, masked_names(known))
    except ConfigurationError as error:
        problems += error.problems
    if problems or configuration is None:
        raise ConfigurationError(problems)
    return RunConfiguration(configuration, models)


def write_plan(
    settings: Settings, lake: LakeFiles, batch_id: str, run_id: str, tables: list[str], *, rebuild: bool
) -> RunDocument:
    """Verify the sealed batches and write the run document of a batch.

    Args:
        settings: where the configuration and the lake are.
        lake: its files.
        batch_id: of the run.
        run_id: Airflow's.
        tables: names given as the run's parameter; empty means all.
        rebuild: make silver anew from all sealed batches.

    Raises:
        ConfigurationError: the configuration is wrong.
        BronzeError: a batch is missing, unsealed, or does not match its manifest.
    """
    configuration = load_run_configuration(settings, tables)
    return plan_run(
        configuration.tables,
        lake,
        settings.paths,
        batch_id,
        run_id,
        configuration.tables.select(tables),
        rebuild=rebuild,
        models=configuration.models,
    )


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
    names = [work.table.qualified_name for work in document.tables]
    return write_plan(settings, lake, batch_id, document.run_id, names, rebuild=True)
