"""The whole configuration: ``include/pipeline.yml`` and ``include/tables/*.yml``; all problems are reported at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import Field, field_validator

from midnight.checks import ForeignKey
from midnight.configuration_model import ConfigurationModel
from midnight.connection_ids import SOURCE_CONNECTION, checked_connection_id
from midnight.errors import ConfigurationError, ConfigurationProblem
from midnight.names import SHORTENED, folder_name, from_folder_name, qualified_name
from midnight.schedule import Schedule
from midnight.tables import Table
from midnight.yaml_documents import Location, YamlDocument


class Source(ConfigurationModel):
    """Where the rows come from.

    Args:
        name: folder of the source in bronze.
        connection: Airflow connection id of the PostgreSQL server.
    """

    name: str = Field(min_length=1)
    connection: str = Field(default=SOURCE_CONNECTION, min_length=1)

    _connection_fits_key_vault = field_validator("connection")(checked_connection_id)


class LoadGroup(ConfigurationModel):
    """Tables that are read inside one snapshot.

    Args:
        name: used by the ``group`` of a table.
        connections: PostgreSQL connections that read at the same time.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9_]+$")
    connections: int = Field(default=2, ge=1, le=32)


class Pipeline(ConfigurationModel):
    """``include/pipeline.yml``.

    Args:
        source: where the rows come from.
        schedule: when the nightly run starts.
        groups: load groups; every table belongs to one.
        owner: shown in Airflow.
        tags: shown in Airflow.
        retries: how often a failed task is tried again.
        retry_delay_seconds: pause before the first retry; it doubles each time, up to half an hour.
        timeout_minutes: a task that takes longer is stopped; a run may take twice as long.
    """

    source: Source
    schedule: Schedule = Schedule()
    groups: tuple[LoadGroup, ...] = (LoadGroup(name="main"),)
    owner: str = "data-engineering"
    tags: tuple[str, ...] = ("midnight",)
    retries: int = Field(default=2, ge=0, le=10)
    retry_delay_seconds: int = Field(default=60, ge=0)
    timeout_minutes: int = Field(default=240, ge=1)


@dataclass(frozen=True)
class Configuration:
    """The pipeline and its tables, checked against each other."""

    pipeline: Pipeline
    tables: tuple[Table, ...]
    documents: Mapping[str, YamlDocument] = field(default_factory=dict, repr=False, compare=False)

    def problem(self, table: Table, location: Location, message: str) -> ConfigurationProblem:
        """A problem of a table's file, with the line of a field."""
        document = self.documents.get(table.silver)
        if document is None:
            return ConfigurationProblem(table.qualified_name, None, ".".join(map(str, location)), message)
        return document.problem(location, message)

    def tables_of_group(self, group: str) -> tuple[Table, ...]:
        return tuple(table for table in self.tables if table.group == group)

    def select(self, names: list[str] | None) -> tuple[Table, ...]:
        """Tables by qualified or silver name; all when ``names`` is empty.

        Raises:
            ConfigurationError: a name is unknown.
        """
        if not names:
            return self.tables
        known = {name: table for table in self.tables for name in (table.qualified_name, table.silver)}
        problems = [
            ConfigurationProblem("tables", None, name, f"is not configured; known are {sorted(known)!r}")
            for name in names
            if name not in known
        ]
        if problems:
            raise ConfigurationError(problems)
        chosen = {known[name].silver for name in names}
        return tuple(table for table in self.tables if table.silver in chosen)


def load_pipeline(folder: Path) -> Pipeline:
    """``pipeline.yml`` alone: what DAG parsing needs, however many tables there are.

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


def list_table_names(folder: Path) -> list[str]:
    """Qualified names of the configured tables, from the file names alone (for the trigger form).

    A name that is too long for a file name is not listed; it can be given all the same.
    """
    stems = sorted(path.name.removesuffix(".yml") for path in (folder / "tables").glob("*.yml"))
    parts = [[from_folder_name(part) for part in stem.split(".", 1)] for stem in stems if SHORTENED not in stem]
    # A file that was named by hand otherwise than `make init` does: its name is all there is to show.
    return [qualified_name(*names) if len(names) == 2 else names[0] for names in parts]


def load_configuration(folder: Path) -> Configuration:
    """Everything below the configuration folder (``include/``).

    Raises:
        ConfigurationError: with all problems of all files.
    """
    document = YamlDocument(folder / "pipeline.yml", folder)
    pipeline = document.validate(Pipeline)
    problems = list(document.problems)
    documents: list[tuple[YamlDocument, Table]] = []
    for path in sorted((folder / "tables").glob("*.yml")):
        table_document = YamlDocument(path, folder)
        table = table_document.validate(Table)
        problems += table_document.problems
        if table is not None:
            documents.append((table_document, table))
    if not documents and not problems:
        problems.append(
            ConfigurationProblem(
                "tables", None, "", "has no table; run: make init SOURCE=postgresql://user@host/database"
            )
        )
    problems += _problems_between_files(pipeline, documents)
    if problems or pipeline is None:
        raise ConfigurationError(problems)
    return Configuration(
        pipeline, tuple(table for _, table in documents), {table.silver: document for document, table in documents}
    )


def _problems_between_files(
    pipeline: Pipeline | None, documents: list[tuple[YamlDocument, Table]]
) -> list[ConfigurationProblem]:
    problems = []
    by_silver: dict[str, tuple[YamlDocument, Table]] = {}
    by_source: dict[tuple[str, str], YamlDocument] = {}
    for document, table in documents:
        other = by_silver.setdefault(table.silver.casefold(), (document, table))
        if other[0] is not document:
            problems.append(document.problem(["silver"], f"{table.silver!r} is also the name in {other[0].where}"))
        first = by_source.setdefault((table.schema_name, table.table), document)
        if first is not document:
            problems.append(document.problem(["table"], f"{table.qualified_name} is also loaded by {first.where}"))
        if pipeline and table.group not in [group.name for group in pipeline.groups]:
            known = [group.name for group in pipeline.groups]
            problems.append(
                document.problem(["group"], f"{table.group!r} is not among the groups {known!r} of pipeline.yml")
            )
    for document, table in documents:
        for index in range(len(table.checks)):
            problems += _foreign_key_problems(document, table, index, by_silver)
    return problems


def _foreign_key_problems(
    document: YamlDocument, table: Table, index: int, by_silver: dict[str, tuple[YamlDocument, Table]]
) -> list[ConfigurationProblem]:
    check = table.checks[index]
    if not isinstance(check, ForeignKey):
        return []
    location: list[int | str] = ["checks", index, "table"]
    found = by_silver.get(check.table.casefold())
    if found is None:
        return [document.problem(location, f"{check.table!r} is no table of silver; known are {sorted(by_silver)!r}")]
    names = {column.name for column in found[1].silver_columns}
    missing = [name for name in check.references if name not in names]
    if missing:
        return [
            document.problem(["checks", index, "references"], f"{missing!r} are no columns of silver {check.table!r}")
        ]
    own = {column.name for column in table.masked_columns}
    other = {column.name for column in found[1].masked_columns}
    return [
        document.problem(
            ["checks", index],
            f"{name!r} is {'' if name in own else 'not '}masked and {reference!r} of {check.table!r} is "
            f"{'' if reference in other else 'not '}masked, so that they never meet; write mask: pseudonym on both",
        )
        for name, reference in zip(check.columns, check.references, strict=True)
        if (name in own) != (reference in other)
    ]
