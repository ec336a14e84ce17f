"""Reads the environment variables; no other module does. `.env.example` lists all of them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from midnight.configuration.connections import checked_connection_id
from midnight.errors import ConfigurationError, ConfigurationProblem
from midnight.lake.paths import LakePaths

PREFIX = "MIDNIGHT_"
REPOSITORY = Path(__file__).resolve().parents[2]


def python_path(*others: str) -> str:
    """``PYTHONPATH`` of a process that imports Midnight's code.

    Args:
        others: values of ``PYTHONPATH`` that come after Midnight's folders; empty ones are left out.
    """
    return os.pathsep.join(filter(None, [str(REPOSITORY), str(REPOSITORY / "plugins"), *others]))


class Settings(BaseModel):
    """The settings of this installation. Each field is read from the variable ``MIDNIGHT_<FIELD>``.

    Args:
        profile: ``local`` (embedded services) or ``azure``.
        engine: local Spark engine: ``sail`` (no JVM) or ``spark`` (Apache Spark + Delta).
        home: folder of the local instance (lake, PostgreSQL, Airflow).
        config: folder with pipeline.yml, tables/ and sql/.
        lake: root folder of the local lake; default ``<home>/lake``.
        ingest: default of the DAG's parameter: ``operator`` or ``adf``.
        polling_seconds: interval between two requests for the state of a run in Azure.
        storage_account: ADLS Gen2 account (azure profile).
        databricks_job_id: id of the job that Terraform deploys (output ``environment_variables``).
        lake_connection: Airflow connection of the identity that accesses the lake; empty: the default credential chain
            of the worker.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    profile: Literal["local", "azure"] = "local"
    engine: Literal["sail", "spark"] = "sail"
    home: Path = REPOSITORY / ".midnight"
    config: Path = REPOSITORY / "include"
    lake: Path | None = None
    ingest: Literal["operator", "adf"] = "operator"

    polling_seconds: int = Field(default=15, ge=1)
    storage_account: str = ""
    lake_connection: str = ""
    # Data Factory
    adf_resource_group: str = ""
    adf_factory: str = ""
    adf_pipeline: str = "midnight_copy"
    # Databricks
    databricks_job_id: int = Field(default=0, ge=0)
    # Synapse and Power BI
    synapse_database: str = "midnight"
    powerbi_group_id: str = ""
    powerbi_dataset_id: str = ""

    _connection_fits_key_vault = field_validator("lake_connection")(checked_connection_id)

    @property
    def paths(self) -> LakePaths:
        """The roots of the layers, and all paths below them."""
        if self.profile == "azure":
            return LakePaths.in_account(self.storage_account)
        return LakePaths.below(str(self.lake or self.home / "lake"))

    @property
    def serving_database(self) -> Path:
        """The DuckDB file with the views (local profile)."""
        return self.home / "serving.duckdb"

    @property
    def report_page(self) -> Path:
        """The HTML report (local profile)."""
        return self.home / "report" / "index.html"

    @model_validator(mode="after")
    def _azure_is_complete(self) -> Settings:
        if self.profile == "azure":
            needed = ["storage_account", "databricks_job_id"]
            needed += ["adf_resource_group", "adf_factory"] if self.ingest == "adf" else []
            missing = [PREFIX + name.upper() for name in needed if not getattr(self, name)]
            if missing:
                raise ValueError(f"the azure profile also needs {', '.join(missing)}; hint: see .env.example")
        return self


def load_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Read the settings from the environment; an empty variable counts as not set.

    Raises:
        ConfigurationError: with all problems of the variables.
    """
    source = os.environ if environment is None else environment
    fields = Settings.model_fields
    given: dict[str, Any] = {n: source[PREFIX + n.upper()] for n in fields if source.get(PREFIX + n.upper())}
    for name in ("home", "config", "lake"):
        if name in given:
            given[name] = Path(given[name]).expanduser().absolute()
    try:
        return Settings(**given)
    except ValidationError as error:
        problems = [
            ConfigurationProblem(
                "environment",
                None,
                PREFIX + str(detail["loc"][0]).upper() if detail["loc"] else "",
                detail["msg"].removeprefix("Value error, ") + (f", not {detail['input']!r}" if detail["loc"] else ""),
            )
            for detail in error.errors()
        ]
        raise ConfigurationError(problems) from error
