"""What one sequence runs on: a configuration folder with some tables and models, and a source that changes."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from midnight.bronze.batches import BronzeStore
from midnight.lake.files import open_local_lake
from midnight.lake.paths import LakePaths
from midnight.run.document import RunDocument
from midnight.run.plan import RunRequest, plan_run
from midnight.run.run_configuration import RunConfiguration, load_run_configuration
from midnight.settings import REPOSITORY, Settings
from tests.support.run_sequences.demo_tables import demo_tables
from tests.support.run_sequences.source import LAG, ChangingTable
from tests.support.run_sequences.synthetic_models import MODELS, UNPROVED
from tests.support.run_sequences.synthetic_tables import RULE_CHANGES, TABLES, SourceTable
from tests.support.sealed_batches import SOURCE, batch_id

_REFERENCE = re.compile(r"\b(silver|gold)\.(\w+)")
_SQL = REPOSITORY / "include" / "sql" / "gold"
# The share of the sequences that use the demo's tables and models, which are larger.
_DEMO_SHARE = 0.2


@dataclass
class World:
    """The configuration and the source of a sequence.

    Args:
        folder: of the configuration.
        paths: of the lake of the runs.
        engine: whose dialect the queries get.
        tables: of the source.
        files: table -> its file, as it is now.
    """

    folder: Path
    paths: LakePaths
    engine: Any
    tables: list[ChangingTable]
    files: dict[str, dict[str, Any]]
    configuration: RunConfiguration | None = None

    def load(self) -> RunConfiguration:
        """The configuration as a run reads it."""
        if self.configuration is None:
            for name, file in self.files.items():
                (self.folder / "tables" / f"public.{name}.yml").write_text(json.dumps(file, default=str))
            settings = Settings(config=self.folder, home=self.folder.parent, engine=self.engine)
            self.configuration = load_run_configuration(settings, [])
        return self.configuration

    def change_rules(self, rng: Random) -> str:
        """Change one rule of one table; returns what was changed."""
        possible = [(name, change) for name in self.files for change in RULE_CHANGES[name]]
        if not possible:
            return ""
        name, change = rng.choice(possible)
        for place, value in change.items():
            _set(self.files[name], place, value)
        self.configuration = None
        return f"{name}: {change}"

    def seal(self, number: int, rng: Random, *, full_reload: bool) -> None:
        """Read the tables of the source into sealed batches; sometimes one without a new flaw is not read."""
        tables = {table.table: table for table in self.load().tables.tables}
        for table in self.tables:
            if not table.batches or table.flaws_unread or rng.random() < 0.95:
                table.seal_batch(self.paths, tables[table.source.name], number, rng, full_reload=full_reload)

    def plan(self, number: int, *, rebuild: bool = False) -> RunDocument:
        """The run document, written by the product."""
        bronze = BronzeStore(open_local_lake(), self.paths, SOURCE)
        return plan_run(RunRequest(batch_id(number), f"run-{number}", rebuild=rebuild), self.load(), bronze)


def make_world(root: Path, rng: Random, engine: str) -> World:
    """Choose tables and models, and write their configuration below a folder."""
    demo = rng.random() < _DEMO_SHARE
    known: dict[str, SourceTable] = {table.name: table for table in (demo_tables() if demo else TABLES)}
    queries = (
        {path.stem: path.read_text() for path in _SQL.glob("*.sql")} if demo else {n: m[0] for n, m in MODELS.items()}
    )
    chosen = list(queries) if demo else rng.sample(sorted(queries), rng.randint(1, 4))
    models, names = _with_references(chosen, queries, known)
    folder = root / "include"
    (folder / "tables").mkdir(parents=True)
    (folder / "sql" / "gold").mkdir(parents=True)
    (folder / "pipeline.yml").write_text(json.dumps({"source": {"name": SOURCE}}))
    for name in models:
        contract = (_SQL / f"{name}.yml").read_text() if demo else _contract(name)
        (folder / "sql" / "gold" / f"{name}.sql").write_text(queries[name])
        (folder / "sql" / "gold" / f"{name}.yml").write_text(contract)
    # A whole build does not have the rows that were deleted before the last full snapshot, which others may reference.
    referenced = {c["table"] for n in names for c in known[n].configuration.get("checks", ()) if "table" in c}
    files = {name: _file(known[name], rng, is_referenced=name in referenced) for name in sorted(names)}
    tables = [ChangingTable(SourceTable(files[name], known[name].new_row, known[name].cursor)) for name in files]
    return World(folder, LakePaths.below(str(root / "lake")), engine, tables, files)


def _with_references(
    chosen: list[str], queries: Mapping[str, str], known: Mapping[str, SourceTable]
) -> tuple[list[str], set[str]]:
    """The models with those that they read, and the tables with those that their foreign keys reference."""
    models, tables = list(chosen), set[str]()
    for name in models:
        for layer, other in _REFERENCE.findall(queries[name]):
            if layer == "silver":
                tables.add(other)
            elif other not in models:
                models.append(other)
    waiting = sorted(tables)
    for name in waiting:
        for check in known[name].configuration.get("checks", ()):
            if check["rule"] == "foreign_key" and check["table"] not in tables:
                tables.add(check["table"])
                waiting.append(check["table"])
    return models, tables


def _file(table: SourceTable, rng: Random, *, is_referenced: bool) -> dict[str, Any]:
    file = copy.deepcopy(table.configuration)
    file["mode"] = "incremental" if table.cursor and rng.random() < 0.6 else "snapshot"
    if file["mode"] == "incremental":
        file |= {"cursor": table.cursor, "cursor_lag": LAG, "full_snapshot_interval_days": 0}
        file["deletes"] = rng.choice(["snapshot", "keys", "keys"])
    if file["key"] and not is_referenced and rng.random() < 0.3:
        file["deletes"] = "soft"
    file["reconcile"] = rng.choice(["counts", "digests"])
    return file


def _contract(name: str) -> str:
    _, columns, key = MODELS[name]
    pairs = [column.split(" ", 1) for column in columns.split(", ")]
    listed = [{"name": column, "type": kind} for column, kind in pairs]
    unproved = UNPROVED.get(name, [])
    return json.dumps({"description": name, "key": key, "columns": listed, "unproved_functions": unproved})


def _set(document: Any, place: str, value: Any) -> None:
    """Set a value by its place: ``checks.0.max``."""
    *parents, last = place.split(".")
    for part in parents:
        document = document[int(part) if isinstance(document, list) else part]
    document[last] = value
