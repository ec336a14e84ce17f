"""The whole configuration: ``include/pipeline.yml`` and ``include/tables/*.yml``; all problems are reported at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import Field, ValidationError, field_validator

from midnight.configuration.base import ConfigurationModel
from midnight.configuration.connections import LONGEST_CONNECTION_ID, SOURCE_CONNECTION, checked_connection_id
from midnight.configuration.cross_references import problems_between_files
from midnight.configuration.schedule import Schedule
from midnight.configuration.tables import Table
from midnight.configuration.yaml_document import Location, YamlDocument
from midnight.errors import ConfigurationError, ConfigurationProblem
from midnight.names import folder_name, known_names

LONGEST_TAG = 100  # column dag_tag.name of Airflow's database


class Source(ConfigurationModel):
    """The source database.

    Args:
        name: folder of the source in bronze.
        connection: Airflow connection id of the PostgreSQL server.
    """

    name: str = Field(min_length=1)
    connection: str = Field(
        default=SOURCE_CONNECTION,
        min_length=1,
        json_schema_extra={"pattern": "^[0-9A-Za-z_-]+$", "maxLength": LONGEST_CONNECTION_ID},
    )

    _connection_fits_key_vault = field_validator("connection")(checked_connection_id)


class LoadGroup(ConfigurationModel):
    """A load group: tables that are read inside one snapshot.

    Args:
        name: used by the ``group`` of a table.
        connections: PostgreSQL connections that read in parallel.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9_]+$", max_length=100)
    connections: int = Field(default=2, ge=1, le=32)


class Pipeline(ConfigurationModel):
    """``include/pipeline.yml``.

    Args:
        source: the source database.
        schedule: when a run starts.
        groups: load groups; every table belongs to one.
        owner: of the DAG in Airflow.
        tags: of the DAG in Airflow.
        retries: how often a failed task is retried.
        retry_delay_seconds: pause before the first retry; it doubles each time, up to half an hour.
        timeout_minutes: a task that takes longer is stopped; a run may take twice as long.
    """

    source: Source
    schedule: Schedule = Schedule()
    groups: tuple[LoadGroup, ...] = Field(default=(LoadGroup(name="main"),), min_length=1)
    owner: str = "data-engineering"
    tags: tuple[str, ...] = Field(
        default=("midnight",), json_schema_extra={"items": {"type": "string", "maxLength": LONGEST_TAG}}
    )
    retries: int = Field(default=2, ge=0, le=10)
    retry_delay_seconds: int = Field(default=60, ge=0, le=86_400)
    timeout_minutes: int = Field(default=240, ge=1, le=10_080)

    @property
    def run_timeout_minutes(self) -> int:
        """How long a run may take before it is stopped."""
        return 2 * self.timeout_minutes

    def group(self, name: str) -> LoadGroup:
        """A load group.

        Raises:
            ConfigurationError: the file has no such group.
        """
        for group in self.groups:
            if group.name == name:
                return group
        message = f"has no group {name!r}, to which this task belongs; hint: trigger a new run"
        raise ConfigurationError([ConfigurationProblem("pipeline.yml", None, "groups", message)])

    @field_validator("tags")
    @classmethod
    def _tags_fit_airflow(cls, tags: tuple[str, ...]) -> tuple[str, ...]:
        too_long = next((tag for tag in tags if len(tag) > LONGEST_TAG), None)
        if too_long is not None:
            raise ValueError(
                f"{too_long[:20]!r}… has {len(too_long)} characters; hint: Airflow accepts at most {LONGEST_TAG}"
            )
        return tags

    @field_validator("groups")
    @classmethod
    def _groups_are_distinct(cls, groups: tuple[LoadGroup, ...]) -> tuple[LoadGroup, ...]:
        names = [group.name for group in groups]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"duplicate group name {twice!r}; hint: rename or remove one")
        return groups


@dataclass(frozen=True)
class Configuration:
    """The pipeline and its tables, after the checks across files.

    Args:
        pipeline: of ``pipeline.yml``.
        tables: of ``tables/*.yml``.
        documents: silver name -> file of the table, for messages.
    """

    pipeline: Pipeline
    tables: tuple[Table, ...]
    documents: Mapping[str, YamlDocument] = field(default_factory=dict, repr=False, compare=False)

    def problem(self, table: Table, location: Location, message: str) -> ConfigurationProblem:
        """A problem of a table, with the file and line of its field."""
        document = self.documents.get(table.silver)
        if document is None:
            return ConfigurationProblem(table.qualified_name, None, ".".join(map(str, location)), message)
        return document.problem(location, message)

    def select(self, names: list[str] | None) -> tuple[Table, ...]:
        """Tables by qualified or silver name; all when ``names`` is empty.

        Raises:
            ConfigurationError: with every unknown name.
        """
        if not names:
            return self.tables
        known = {name: table for table in self.tables for name in (table.qualified_name, table.silver)}
        problems = [
            ConfigurationProblem("tables", None, name, f"is not configured; hint: {known_names(name, known)}")
            for name in names
            if name not in known
        ]
        if problems:
            raise ConfigurationError(problems)
        chosen = {known[name].silver for name in names}
        return tuple(table for table in self.tables if table.silver in chosen)


def load_pipeline(folder: Path) -> Pipeline:
    """Only ``pipeline.yml``; no table file is read.

    Raises:
        ConfigurationError: with all problems of the file.
    """
    document = YamlDocument(folder / "pipeline.yml", folder)
    pipeline = document.validate(Pipeline)
    if pipeline is None:
        raise ConfigurationError(document.problems)
    return pipeline


def table_file_name(schema: str, table: str) -> str:
    """Name of the file that configures a table."""
    return f"{folder_name(schema)}.{folder_name(table)}.yml"


def table_files(folder: Path) -> list[Path]:
    """The files that configure tables, sorted; hidden files, which editors and macOS create, are not among them."""
    return sorted(path for path in (folder / "tables").glob("*.yml") if not path.name.startswith("."))


@dataclass(frozen=True)
class ConfigurationFiles:
    """The valid files of ``pipeline.yml`` and ``tables/``, and the problems of the others.

    Args:
        pipeline: None when its file is not valid.
        documents: each valid table file with its table.
        unreadable: silver names of the tables whose files are not valid.
        columns_alone: those of them whose columns are valid, with no other field.
        problems: of all files and between them.
    """

    pipeline: Pipeline | None
    documents: tuple[tuple[YamlDocument, Table], ...]
    unreadable: frozenset[str]
    columns_alone: tuple[Table, ...]
    problems: tuple[ConfigurationProblem, ...]

    @property
    def tables(self) -> tuple[Table, ...]:
        return tuple(table for _, table in self.documents)

    def complete(self) -> Configuration:
        """The configuration.

        Raises:
            ConfigurationError: with all problems of all files.
        """
        if self.problems or self.pipeline is None:
            raise ConfigurationError(self.problems)
        return Configuration(self.pipeline, self.tables, {table.silver: document for document, table in self.documents})


def load_configuration(folder: Path) -> Configuration:
    """``pipeline.yml`` and ``tables/`` below the configuration folder (``include/``).

    Raises:
        ConfigurationError: with all problems of all files.
    """
    return read_configuration(folder).complete()


def read_configuration(folder: Path) -> ConfigurationFiles:
    """Like ``load_configuration`` without an exception: one file's problems do not hide those of another."""
    document = YamlDocument(folder / "pipeline.yml", folder)
    pipeline = document.validate(Pipeline)
    problems = list(document.problems)
    documents: list[tuple[YamlDocument, Table]] = []
    unreadable, columns_alone = set(), []
    problems += [
        ConfigurationProblem(f"tables/{path.name}", 1, "", f"is ignored; hint: rename it to {path.stem}.yml")
        for path in sorted((folder / "tables").glob("*.yaml"))
    ]
    for path in table_files(folder):
        table_document = YamlDocument(path, folder)
        table = table_document.validate(Table)
        problems += table_document.problems
        if table is not None:
            documents.append((table_document, table))
        else:
            given = table_document.data.get("silver") if isinstance(table_document.data, dict) else None
            unreadable.add(str(given or path.stem.split(".")[-1]))
            columns_alone += _columns_alone(table_document)
    if not documents and not problems:
        problems.append(
            ConfigurationProblem(
                "tables", None, "", "has no table; hint: run make init SOURCE=postgresql://user@host/database"
            )
        )
    groups = [group.name for group in pipeline.groups] if pipeline else None
    problems += problems_between_files(documents, groups, unreadable)
    return ConfigurationFiles(pipeline, tuple(documents), frozenset(unreadable), tuple(columns_alone), tuple(problems))


def _columns_alone(document: YamlDocument) -> list[Table]:
    """The table with only its columns, against which gold models are checked when another field is not valid."""
    given = document.data if isinstance(document.data, dict) else {}
    fields = {name: given.get(name) for name in ("schema", "table", "silver", "columns")}
    try:
        return [Table.model_validate(fields)]
    except ValidationError:
        return []
