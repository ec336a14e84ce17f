"""Everything that a run needs of the configuration folder, checked before the source or the lake is touched."""

from __future__ import annotations

from dataclasses import dataclass

from midnight.errors import ConfigurationError, ConfigurationProblem
from midnight.gold_models import GoldModel
from midnight.pipeline_config import Configuration, load_configuration
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
        ConfigurationError: with all problems of the table files; where they are right, with the names that are not
            configured and all problems of the gold models.
    """
    configuration = load_configuration(settings.config)
    silver_tables = {table.silver for table in configuration.tables}
    models: tuple[GoldModel, ...] = ()
    problems: list[ConfigurationProblem] = []
    try:
        configuration.select(tables)
    except ConfigurationError as error:
        problems += error.problems
    try:
        models = load_gold_models(settings.config / "sql" / "gold", silver_tables)
    except ConfigurationError as error:
        problems += error.problems
    if problems:
        raise ConfigurationError(problems)
    return RunConfiguration(configuration, models)
