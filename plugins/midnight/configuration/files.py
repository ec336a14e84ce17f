"""The whole configuration: ``include/pipeline.yml`` and ``include/tables/*.yml``; all problems are reported at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from midnight.configuration.cross_references import problems_between_files
from midnight.configuration.pipeline import Pipeline
from midnight.configuration.tables import Table
from midnight.configuration.yaml_document import Location, YamlDocument
from midnight.errors import ConfigurationError, ConfigurationProblem
from midnight.names import folder_name, known_names


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
