"""What the faults of one mode happen to: a database, a configuration, and an instance with its lake."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import psycopg

from midnight.bronze.batch_id import make_batch_id
from midnight.settings import Settings
from tests.support.interruptions.child import run
from tests.support.interruptions.modes import Mode
from tests.support.interruptions.servers import READER, Servers
from tests.support.interruptions.tables import (
    MODEL,
    MODEL_COLUMNS,
    MODEL_NAME,
    NAMES,
    ONLY,
    fill,
    incremental_names,
    table_file,
    write,
)
from tests.support.interruptions.task import SKIPPED, Result, Task
from tests.support.other_postgres import drop_database

_FIRST_RUN = datetime(2024, 5, 1, tzinfo=UTC)
_EVENTS = {"ingest": 90, "copy": 60, "plan": 6, "silver": 120, "gold": 60, "publish": 12}  # a guess before the first


@dataclass
class World:
    """A source and a lake.

    Args:
        servers: of the source.
        root: folder of the instance; a small file system of its own if that can be had.
        mode: how its tables are loaded.
        rng: decides everything.

    Attributes:
        batches: ids of the runs so far.
        events: stage -> number of its events when it last succeeded.
        seconds: stage -> how long it took then.
        dirty: the source was written since the last read began.
        large: the jobs treat each table as a large one.
        injections: of the present fault so far: one that had no effect is made harsher.
        gone: rows may be gone which an incremental read does not notice: the next run is a full reload.
    """

    servers: Servers
    root: Path
    mode: Mode
    rng: Random
    is_mount: bool = False
    batches: list[str] = field(default_factory=list)
    events: dict[str, int] = field(default_factory=lambda: dict(_EVENTS))
    gone: bool = False
    day: int = 0
    database: str = ""
    large: bool = False
    injections: int = 0
    dirty: bool = False
    range_pages: int = 6
    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(_EVENTS, 0.5))

    @property
    def settings(self) -> Settings:
        return Settings(config=self.root / "include", home=self.root / "home")

    @property
    def stages(self) -> tuple[str, ...]:
        return (self.mode.reads, "plan", "silver", "gold", "publish")

    def prepare(self, rows: int = 1500) -> None:
        """Fill the source and write the configuration."""
        self.database = f"world_{self.rng.getrandbits(48):x}"
        with self.servers.connect() as connection:
            connection.execute(f"CREATE DATABASE {self.database}")
        with self.connect() as connection:
            fill(connection, rows)
            connection.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {READER}")
        self.large = self.rng.random() < 0.5
        self.range_pages = self.rng.choice([6, 6, 30, 4096])
        incremental = incremental_names(self.rng, self.mode)
        folder, files = self.settings.config, {}
        files["pipeline.yml"] = {
            "source": {"name": "test"},
            "groups": [{"name": "main", "connections": self.rng.choice([1, 2, 3])}],
        }
        for name in NAMES:
            files[f"tables/public.{name}.yml"] = table_file(name, self.mode, incremental=name in incremental)
        model: dict[str, Any] = {"description": "t", "key": ["customer_key"], "columns": MODEL_COLUMNS}
        files[f"sql/gold/{MODEL_NAME}.yml"] = model
        for name, content in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(content))
        only = ONLY if self.mode.deletes == "soft" else ""
        (folder / "sql" / "gold" / f"{MODEL_NAME}.sql").write_text(MODEL.format(only=only))
        (self.root / "home").mkdir()

    def remove(self) -> None:
        """Drop the database."""
        with self.servers.connect() as connection:
            drop_database(connection, self.database)

    def connect(self) -> psycopg.Connection[Any]:
        return self.servers.connect(self.database)

    def write(self, statements: int = 4) -> None:
        """Random writes to the source."""
        deletes = self.mode.finds_deletes or self.rng.random() < 0.2
        with self.connect() as connection:
            gone = write(connection, self.rng, deletes=deletes, statements=statements)
        self.dirty = True
        self.gone = self.gone or (gone and not self.mode.finds_deletes)

    def new_batch(self, *, days: float = 1) -> str:
        """The batch id of a new run, some days after the last one (before it, when negative)."""
        number = len(self.batches)
        at = _FIRST_RUN + timedelta(days=self.day + days, seconds=number)
        self.day += 1 if days > 0 else 0
        self.batches.append(make_batch_id(at, f"run-{number}"))
        return self.batches[-1]

    def task(self, stage: str, batch_id: str, **options: Any) -> Task:
        """A stage of a run, read from the primary unless ``dsn`` is given."""
        dsn = self.servers.reader(self.database).dsn
        given = {"dsn": dsn, "full_reload": self.gone, "large": self.large, "range_pages": self.range_pages, **options}
        return Task(stage, self.settings, batch_id=batch_id, **given)

    def run(self, stage: str, batch_id: str, **options: Any) -> Result:
        """Run a stage without a fault."""
        started = time.monotonic()
        if stage == self.mode.reads:
            self.dirty = False
        result = run(self.task(stage, batch_id, **options))
        if not result.error and SKIPPED not in result.lines:
            self.events[stage] = max(result.events, 1)
            self.seconds[stage] = time.monotonic() - started
        if any("kept" in line for line in result.lines):
            self.dirty = True  # perhaps
        return result

    def moment(self, stage: str) -> int:
        """A random event of a stage."""
        return self.rng.randint(1, self.events[stage])

    def resize_to(self, spare: int) -> None:
        """Leave so many kilobytes free; until ``restore_space``."""
        used = int(subprocess.check_output(["du", "-sk", self.root]).split()[0])
        self._resize(f"{used + spare}k")

    def restore_space(self) -> None:
        self._resize("2g")

    def _resize(self, size: str) -> None:
        subprocess.run(["mount", "-o", f"remount,size={size}", self.root], check=True, capture_output=True)


@contextlib.contextmanager
def new_world(servers: Servers, root: Path, mode: Mode, seed: int, rows: int = 1500) -> Iterator[World]:
    """A world below a folder, on a file system of its own where this process may mount one."""
    root.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", "size=2g", "midnight-interruptions", str(root)]
    mounted = subprocess.run(mount, check=False, capture_output=True).returncode == 0
    world = World(servers, root, mode, Random(seed), is_mount=mounted)  # noqa: S311  # repeatable, not secret
    try:
        world.prepare(rows)
        yield world
    finally:
        world.remove()
        if mounted:
            subprocess.run(["umount", "-l", root], check=True)
        shutil.rmtree(root, ignore_errors=True)
