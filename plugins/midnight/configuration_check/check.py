"""The check behind ``make check``, ``make doctor``, ``make up`` and the first task of a run.

Problems of one kind of file do not hide those of another: each kind is checked against the valid part of the kinds
before it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from midnight.access.matrix import load_access_matrix
from midnight.configuration.files import ConfigurationFiles
from midnight.configuration.prices import load_prices
from midnight.configuration_check.generated import stale_project
from midnight.configuration_check.report import CheckReport, CheckSection, section
from midnight.configuration_check.report_queries import report_problems
from midnight.data_factory.resource_files import FOLDER as ADF_FOLDER
from midnight.data_factory.resource_files import factory_files
from midnight.databricks.job_payload import FILE as JOB_FILE
from midnight.databricks.job_payload import job_files
from midnight.errors import ConfigurationError, ConfigurationProblem
from midnight.gold_to_serving.base_views import BASE_SCHEMA, BaseView, base_views_of_contracts
from midnight.gold_to_serving.publish_duckdb import empty_database
from midnight.gold_to_serving.reporting_views import (
    FOLDER,
    REPORTING_SCHEMA,
    ReportingFiles,
    azure_only,
    read_reporting_views,
)
from midnight.powerbi.model.definition import FOLDER as POWER_BI_FOLDER
from midnight.powerbi.model.definition import read_definition
from midnight.powerbi.model.definition_problems import definition_problems
from midnight.powerbi.model.project import files_of_model
from midnight.powerbi.model.run_page import with_run_page
from midnight.powerbi.model.semantic_model import semantic_model
from midnight.powerbi.model.views import describe_views
from midnight.run.run_configuration import RunConfiguration, RunFiles, read_run_files
from midnight.settings import REPOSITORY, Settings
from midnight.silver_to_gold.load_models import GoldFiles

ACCESS_FILE = REPOSITORY / "infra" / "access.yml"


def check_run(settings: Settings, tables: list[str]) -> RunConfiguration:
    """The configuration of a run, after all checks.

    Args:
        settings: where the configuration folder is.
        tables: names of the run's parameter; empty for all tables.

    Raises:
        ConfigurationError: with all problems of all files, and all unknown table names.
    """
    report = check_configuration(settings)
    return replace(report.run.complete(tables, report.problems), warnings=report.warnings)


def check_configuration(settings: Settings, access: Path = ACCESS_FILE) -> CheckReport:
    """Check all files; nothing else is read, and nothing is written.

    Args:
        settings: where the configuration folder is.
        access: the access matrix; it is skipped if the file does not exist, as in an image without ``infra/``.

    Returns:
        All problems and warnings; none are raised.
    """
    folder = settings.config
    run = read_run_files(settings)
    gold = run.gold
    base_views = _base_views(gold)
    with empty_database() as connection:
        serving = read_reporting_views(folder, base_views, connection)
        unreadable = _unreadable(base_views, serving)
        queries, report = report_problems(folder, connection, unreadable, azure_only(serving.views))
    return CheckReport(
        (
            _check_tables(run),
            _check_models(run),
            section(
                "reporting views", {"reporting views": len(serving.names)}, serving.problems, _only_in_azure(serving)
            ),
            section("report", {"report queries": queries}, report),
            _check_power_bi(folder, gold, serving, unreadable),
            _check_data_factory(folder, run.files),
            _check_databricks(folder, run.files),
            _check_access(access),
            _check_prices(folder),
        ),
        run,
    )


def _check_tables(run: RunFiles) -> CheckSection:
    of_checks = [problem for problem in run.sql.problems if _is_of_table(problem)]
    count = len(run.files.tables) + len(run.files.unreadable)
    warnings = [warning for warning in run.sql.warnings if _is_of_table(warning)]
    return section("configuration", {"tables": count}, [*run.files.problems, *of_checks], warnings)


def _check_models(run: RunFiles) -> CheckSection:
    of_queries = [problem for problem in run.sql.problems if not _is_of_table(problem)]
    warnings = [warning for warning in run.sql.warnings if not _is_of_table(warning)]
    names = run.gold.names
    if not names:
        message = "has no model, so nothing is published; hint: make init writes one per table"
        warnings.append(ConfigurationProblem("sql/gold", None, "", message))
    return section("gold models", {"gold models": len(names)}, [*run.gold.problems, *of_queries], warnings)


def _is_of_table(problem: ConfigurationProblem) -> bool:
    return problem.where.startswith("tables/")


def _base_views(gold: GoldFiles) -> tuple[BaseView, ...]:
    """Base views of all models; a view without columns for a model whose contract is not valid."""
    unknown = (BaseView(name, ()) for name in gold.names if name not in gold.contracts)
    return tuple(sorted((*base_views_of_contracts(gold.contracts), *unknown), key=lambda view: view.name))


def _only_in_azure(serving: ReportingFiles) -> list[ConfigurationProblem]:
    message = "is published on Synapse only, so it is missing from the local views"
    names = [name.partition(".")[2] for name in azure_only(serving.views)]
    return [ConfigurationProblem(str(FOLDER / f"{name}.sql"), 1, "", message) for name in names]


def _unreadable(base_views: Iterable[BaseView], serving: ReportingFiles) -> frozenset[str]:
    """Views that exist but whose columns are unknown, or depend on a view with problems."""
    wrong = {Path(problem.where).stem for problem in serving.problems}
    readable = {view.name for view in serving.views if view.name not in wrong}
    unreadable = {f"{BASE_SCHEMA}.{view.name}" for view in base_views if not view.columns}
    unreadable |= {f"{REPORTING_SCHEMA}.{name}" for name in serving.names if name not in readable}
    for view in serving.views:  # in the order of their references
        if unreadable.intersection(view.references):
            unreadable.add(f"{REPORTING_SCHEMA}.{view.name}")
    return frozenset(unreadable)


def _check_power_bi(folder: Path, gold: GoldFiles, serving: ReportingFiles, unreadable: frozenset[str]) -> CheckSection:
    name = "Power BI model"
    if not (folder / POWER_BI_FOLDER / "model.yml").exists():
        return section(name, {}, ())
    try:
        document, definition = read_definition(folder)
    except ConfigurationError as error:
        return section(name, {}, error.problems)
    views = [view for view in serving.views if f"{REPORTING_SCHEMA}.{view.name}" not in unreadable]
    shown = describe_views(folder, gold.contracts, views, unreadable)
    complete = with_run_page(definition)
    problems = [document.problem(location, message) for location, message in definition_problems(complete, shown)]
    counts = {"Power BI tables": len(definition.tables), "measures": len(definition.measures)}
    if problems or gold.problems or serving.problems or shown.unreadable:
        return section(name, counts, problems)
    files = files_of_model(semantic_model(complete, shown))
    return section(name, counts, (), stale_project(folder, "powerbi", files))


def _check_data_factory(folder: Path, files: ConfigurationFiles) -> CheckSection:
    if files.pipeline is None or not (folder / ADF_FOLDER).exists():
        return section("Data Factory", {}, ())
    return section("Data Factory", {}, (), stale_project(folder, "adf", factory_files(folder)))


def _check_databricks(folder: Path, files: ConfigurationFiles) -> CheckSection:
    if files.pipeline is None or not (folder / JOB_FILE).exists():
        return section("Databricks", {}, ())
    return section("Databricks", {}, (), stale_project(folder, "databricks", job_files(folder)))


def _check_prices(folder: Path) -> CheckSection:
    try:
        load_prices(folder)
    except ConfigurationError as error:
        return section("prices", {}, error.problems)
    return section("prices", {}, ())


def _check_access(path: Path) -> CheckSection:
    if not path.exists():
        return section("access", {}, ())
    try:
        matrix = load_access_matrix(path)
    except ConfigurationError as error:
        where = f"{path.parent.name}/{path.name}"
        return section("access", {}, [replace(problem, where=where) for problem in error.problems])
    return section("access", {"access grants": sum(1 for _ in matrix.grants())}, ())
