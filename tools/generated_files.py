"""Generates files from other files of the repository: ``python -m tools.generated_files [--check]``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from midnight.access.matrix import ENVIRONMENTS, load_access_matrix
from midnight.access.outputs import (
    airflow_role_mapping,
    app_roles,
    replace_marked,
    sql_file,
    synapse_grants,
    synapse_logins,
)
from midnight.configuration_check import generated
from midnight.configuration_check.json_schemas import schema_files
from midnight.data_factory.resource_files import factory_files
from midnight.databricks.job_payload import job_files
from midnight.powerbi.model.definition import FOLDER as POWER_BI_FOLDER
from midnight.powerbi.model.project import project_files
from midnight.settings import REPOSITORY
from tools.access_page import access_page
from tools.commands_page import commands_page
from tools.configuration_page import configuration_page
from tools.incidents_page import incidents_page
from tools.layers_picture import layers_picture
from tools.spark_sql_page import spark_sql_page
from tools.tsql_page import tsql_page
from tools.types_page import types_page


def access_files(root: Path) -> dict[str, str]:
    """The files that follow from ``infra/access.yml``, as path -> text.

    Raises:
        ConfigurationError: the matrix is wrong.
    """
    matrix = load_access_matrix(root / "infra" / "access.yml")
    webserver = "config/webserver_config.py"
    files = {
        "infra/app_roles.json": app_roles(matrix),
        "docs/access.md": access_page(matrix),
        webserver: replace_marked((root / webserver).read_text(encoding="utf-8"), airflow_role_mapping(matrix)),
    }
    for environment in ENVIRONMENTS:
        folder = "include/sql/synapse"
        logins = sql_file(synapse_logins(matrix, environment), f"Logins for {environment}: run in the database master.")
        grants = sql_file(synapse_grants(matrix, environment), f"Rights for {environment}: run in Midnight's database.")
        files |= {f"{folder}/logins.{environment}.sql": logins, f"{folder}/grants.{environment}.sql": grants}
    return files


def power_bi_files(root: Path) -> dict[str, str]:
    """The Power BI project, as path -> text.

    Raises:
        ConfigurationError: its definition, a gold contract or a reporting view is wrong.
    """
    if not (root / "include" / POWER_BI_FOLDER / "model.yml").exists():
        return {}  # `make init` moved it away with the views that it shows
    return {f"include/{path}": text for path, text in project_files(root / "include").items()}


def data_factory_files(root: Path) -> dict[str, str]:
    """Linked services, datasets and the pipeline of the Data Factory, as path -> text.

    Raises:
        ConfigurationError: ``pipeline.yml`` is wrong.
    """
    return {f"include/{path}": text for path, text in factory_files(root / "include").items()}


def databricks_files(root: Path) -> dict[str, str]:
    """The Databricks job, as path -> text.

    Raises:
        ConfigurationError: ``pipeline.yml`` is wrong.
    """
    return {f"include/{path}": text for path, text in job_files(root / "include").items()}


def editor_schemas(root: Path) -> dict[str, str]:
    """The JSON Schemas of the configuration files, as path -> text.

    Args:
        root: not used; every source of files takes the repository.
    """
    del root
    return {f"include/{path}": text for path, text in schema_files().items()}


SOURCES: tuple[Callable[[Path], Mapping[str, str]], ...] = (
    access_files,
    power_bi_files,
    data_factory_files,
    databricks_files,
    editor_schemas,
    commands_page,
    configuration_page,
    incidents_page,
    layers_picture,
    spark_sql_page,
    tsql_page,
    types_page,
)


def wanted_files(root: Path) -> dict[str, str]:
    """Every generated file with its text."""
    return {path: text for source in SOURCES for path, text in source(root).items()}


def stale_files(root: Path) -> dict[str, str | None]:
    """Files that are not current, with their current text; None for a file that is no longer generated."""
    folders = [f"include/{folder}" for folders in generated.GENERATED_FOLDERS.values() for folder in folders]
    return generated.stale_files(root, wanted_files(root), folders)


def main(arguments: list[str] | None = None) -> int:
    """Write the files that are not current; with ``--check`` list them and return 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only list the files that are not current")
    check = parser.parse_args(arguments).check
    stale = stale_files(REPOSITORY)
    for path, text in sorted(stale.items()):
        print(f"{'stale' if check else 'removed' if text is None else 'written'}: {path}")
        if check:
            continue
        if text is None:
            (REPOSITORY / path).unlink()
        else:
            (REPOSITORY / path).parent.mkdir(parents=True, exist_ok=True)
            (REPOSITORY / path).write_text(text, encoding="utf-8")
    if not stale:
        print("all generated files are up to date")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
