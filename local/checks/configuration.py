"""The variables and everything below ``include/``, with all problems at once."""

from __future__ import annotations

import os
from collections.abc import Mapping

from local.checks.finding import Finding
from midnight.errors import ConfigurationError, ConfigurationProblem
from midnight.gold_masking import masked_names
from midnight.gold_to_serving.base_views import base_views_of_contracts, load_gold_contracts
from midnight.gold_to_serving.reporting_views import load_reporting_views
from midnight.pipeline_config import Configuration, load_configuration
from midnight.report.definition import load_report_definition
from midnight.run_planning import load_run_configuration
from midnight.settings import PREFIX, Settings, load_settings
from midnight.silver_to_gold import load_gold_models

_HINT = "correct the file; docs/configuration.md says what every field does"


def check_settings(environment: Mapping[str, str] | None = None) -> tuple[Settings | None, list[Finding]]:
    """The settings, when all variables are right."""
    source = os.environ if environment is None else environment
    result = []
    # Variables of docker-compose.yaml and of `make up` are no fields of the settings.
    known = {PREFIX + name.upper() for name in Settings.model_fields} | {
        f"{PREFIX}{name}" for name in ("AIRFLOW_PORT", "SOURCE_PORT", "INSTANCE_ID")
    }
    unknown = sorted(name for name in source if name.startswith(PREFIX) and name not in known)
    if unknown:
        result.append(Finding("settings", "warn", f"{', '.join(unknown)}: no such variable", "see .env.example"))
    try:
        settings = load_settings(source)
    except ConfigurationError as error:
        return None, [*result, *(Finding("settings", "fail", str(p), "see .env.example") for p in error.problems)]
    return settings, [*result, Finding("settings", "ok", f"profile {settings.profile}, engine {settings.engine}")]


def check_configuration(settings: Settings) -> tuple[Configuration | None, list[Finding]]:
    """``pipeline.yml`` and the table files."""
    try:
        configuration = load_configuration(settings.config)
    except ConfigurationError as error:
        return None, [Finding("configuration", "fail", str(problem), _HINT) for problem in error.problems]
    count = len(configuration.tables)
    found = f"{count} table{'s' if count != 1 else ''} of source {configuration.pipeline.source.name!r}"
    return configuration, [Finding("configuration", "ok", found)]


def load_every_file(settings: Settings) -> Configuration:
    """What the nightly run loads in its first task, and what its last ones would find only then.

    Raises:
        ConfigurationError: with all problems of the tables, the gold models, the reporting views and the report.
    """
    configuration: Configuration | None = None
    problems: list[ConfigurationProblem] = []
    try:
        configuration = load_run_configuration(settings, []).tables
    except ConfigurationError as error:
        problems += error.problems
    try:
        load_reporting_views(settings.config, base_views_of_contracts(load_gold_contracts(settings.config)))
    except ConfigurationError as error:
        problems += [problem for problem in error.problems if problem not in problems]
    try:
        load_report_definition(settings.config)
    except ConfigurationError as error:
        problems += error.problems
    if configuration is None or problems:
        raise ConfigurationError(problems)
    return configuration


def check_models(settings: Settings, configuration: Configuration) -> list[Finding]:
    """Gold models and reporting views."""
    try:
        tables = configuration.tables
        folder = settings.config / "sql" / "gold"
        models = load_gold_models(folder, {table.silver for table in tables}, masked_names(tables))
    except ConfigurationError as error:
        return [Finding("gold models", "fail", str(problem), _HINT) for problem in error.problems]
    state = Finding(
        "gold models", "ok" if models else "warn", f"{len(models)} models", "" if models else "make init writes some"
    )
    try:
        views = load_reporting_views(settings.config, base_views_of_contracts(load_gold_contracts(settings.config)))
    except ConfigurationError as error:
        return [state, *(Finding("reporting views", "fail", str(problem)) for problem in error.problems)]
    return [state, Finding("reporting views", "ok", f"{len(views)} views")]
