"""Puts a new configuration in place: all of it or nothing, and never over an edited file.

All files are first written to a temporary folder next to the configuration, loaded from there like in a run, and then
moved.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from midnight.configuration.files import load_configuration, table_file_name
from midnight.configuration.pipeline import load_pipeline
from midnight.configuration.tables import Table
from midnight.configuration_check.json_schemas import schema_files
from midnight.errors import MidnightError
from midnight.postgres_to_bronze.catalogue import CatalogueTable
from midnight.scaffold.gold_files import render_gold_contract, render_gold_query
from midnight.scaffold.source_survey import SourceTable
from midnight.scaffold.table_file import render_table
from midnight.scaffold.table_plan import TablePlan, plan_tables
from midnight.scaffold.value_sample import TableSample
from midnight.silver_to_gold.load_models import load_gold_models

# Files that describe a source or the views over it; everything else (adf/, schemas/) stays.
REPLACED = ("pipeline.yml", "tables", "sql/gold", "sql/serving", "report.yml", "powerbi")


class ConfigurationNotWrittenError(MidnightError):
    """The configuration could not be written; the previous one is unchanged."""


@dataclass(frozen=True)
class NewConfiguration:
    """The configuration to write.

    Args:
        source_name: folder of the source in bronze; a configuration of another source is moved away.
        connection_id: Airflow connection of the source.
        pipeline: text of ``pipeline.yml``.
        tables: of the source.
        samples: by (schema, table).
        relations: what the database has under the names of the configured tables (``configured_tables``), by (schema,
            table): relations of any kind, readable or not.
    """

    source_name: str
    connection_id: str
    pipeline: str
    tables: Sequence[SourceTable]
    samples: Mapping[tuple[str, str], TableSample]
    relations: Mapping[tuple[str, str], CatalogueTable] = field(default_factory=dict)


@dataclass(frozen=True)
class WrittenConfiguration:
    """The configuration that was written.

    Args:
        plans: the new tables.
        kept: tables whose files existed and are unchanged.
        deleted: those of them that the database no longer has.
        replaced: folder to which the configuration of another source was moved; None if there was none.
        gold: names of the gold models that were written.
    """

    plans: tuple[TablePlan, ...]
    kept: tuple[Table, ...] = ()
    deleted: tuple[Table, ...] = ()
    replaced: Path | None = None
    gold: tuple[str, ...] = ()


def write_configuration(
    new: NewConfiguration, *, folder: Path, replaced: Path, finish: Callable[[], None] = lambda: None
) -> WrittenConfiguration:
    """Write the configuration of a source.

    Args:
        new: the configuration to write.
        folder: the configuration folder (``include/``).
        replaced: folder to which the configuration of another source is moved; must not exist.
        finish: called when all files are in place; if it raises, the change is undone.

    Raises:
        ConfigurationError: the current configuration belongs to the same source and is not valid.
        ConfigurationNotWrittenError: a file cannot be written.
    """
    same = belongs_to(folder, new.source_name, new.connection_id)
    kept = configured_tables(folder, new.source_name, new.connection_id)
    plans = tuple(plan_tables(new.tables, new.samples, kept))
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".midnight-init-", dir=folder.parent) as temporary:
            stage = _Stage(Path(temporary), folder if same else None)
            if not same:
                stage.add("pipeline.yml", new.pipeline)
                (stage.folder / "sql" / "serving").mkdir(parents=True)
            for plan in plans:
                table = plan.table
                stage.add(f"tables/{table_file_name(table.schema_name, table.table)}", render_table(plan))
                if not stage.holds(f"sql/gold/{table.silver}.sql", f"sql/gold/{table.silver}.yml"):
                    stage.add(f"sql/gold/{table.silver}.sql", render_gold_query(table))
                    stage.add(f"sql/gold/{table.silver}.yml", render_gold_contract(table, plan.longest))
            for name, text in schema_files().items():
                if not _holds_text(folder / name, text):
                    stage.add(name, text)
            _check(stage.folder)
            old = [] if same else [name for name in REPLACED if (folder / name).exists()]
            _move(stage, folder, {name: replaced / name for name in old}, finish)
    except OSError as error:
        raise ConfigurationNotWrittenError(
            f"the configuration in {folder} was not changed: {error}; hint: check its permissions and the free space"
        ) from error
    present = {(table.schema, table.name) for table in new.tables} | set(new.relations)
    return WrittenConfiguration(
        plans=plans,
        kept=kept,
        deleted=tuple(t for t in kept if (t.schema_name, t.table) not in present),
        replaced=replaced if old else None,
        gold=tuple(sorted(name.split("/")[-1].removesuffix(".sql") for name in stage.added if name.endswith(".sql"))),
    )


def configured_tables(folder: Path, source_name: str, connection_id: str) -> tuple[Table, ...]:
    """The configured tables of this source; empty if the configuration belongs to another source.

    Raises:
        ConfigurationError: the configuration belongs to this source and is not valid.
    """
    if not belongs_to(folder, source_name, connection_id) or not any((folder / "tables").glob("*.yml")):
        return ()
    return load_configuration(folder).tables


def belongs_to(folder: Path, source_name: str, connection_id: str) -> bool:
    """Whether the configuration in ``folder`` belongs to this source.

    Raises:
        ConfigurationError: ``pipeline.yml`` exists and is not valid.
    """
    if not (folder / "pipeline.yml").exists():
        return False
    source = load_pipeline(folder).source
    return (source.name, source.connection) == (source_name, connection_id)


@dataclass
class _Stage:
    """The next configuration folder: a copy of the current one, if it is kept, and the new files."""

    folder: Path
    present: Path | None
    added: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        for name in REPLACED if self.present else ():
            source = self.present / name if self.present else None
            if source is not None and source.is_dir():
                shutil.copytree(source, self.folder / name, ignore_dangling_symlinks=True)
            elif source is not None and source.exists():
                shutil.copy(source, self.folder / name)

    def holds(self, *names: str) -> bool:
        """Whether one of the files exists; case is ignored."""
        return any(
            path.name.casefold() == Path(name).name.casefold()
            for name in names
            for path in (self.folder / name).parent.glob("*")
        )

    def add(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        # Exclusive: on a file system that ignores case, "Orders" must not replace "orders".
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
        self.added.append(name)


def _holds_text(path: Path, text: str) -> bool:
    return path.exists() and path.read_bytes() == text.encode()


def _check(folder: Path) -> None:
    """Load the new configuration like a run.

    Raises:
        ConfigurationError: with all problems.
    """
    configuration = load_configuration(folder)
    load_gold_models(folder / "sql" / "gold", {table.silver for table in configuration.tables})


def _move(stage: _Stage, folder: Path, old: Mapping[str, Path], finish: Callable[[], None]) -> None:
    """Move old files away and new ones in; on any error, undo all moves."""
    done: list[tuple[Path, Path]] = []

    def move(source: Path, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(source, target)
        done.append((source, target))

    try:
        for name, target in old.items():
            move(folder / name, target)
        for name in stage.added:
            if (folder / name).exists():  # a schema of an earlier version
                move(folder / name, stage.folder / "superseded" / name)
            move(stage.folder / name, folder / name)
        (folder / "sql" / "serving").mkdir(parents=True, exist_ok=True)
        finish()
    except BaseException:
        for source, target in reversed(done):
            source.parent.mkdir(parents=True, exist_ok=True)
            if source.is_relative_to(stage.folder):
                target.unlink()
                continue
            if source.is_dir() and not any(source.iterdir()):
                source.rmdir()  # created for the files that were moved back
            shutil.move(target, source)
        raise
