"""Many schedules on one temporary server, and what each rule missed."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import psycopg

from cli.postgres.embedded import Server
from cli.postgres.temporary import temporary_server
from tests.support.incremental_ingest import batch_of_day
from tests.support.ingest_run import BronzeFolder
from tests.support.late_commits.schedule import Schedule

_MEMORY = Path("/dev/shm")  # noqa: S108 (mkdtemp makes the folder)
_SIDE_BY_SIDE = 10  # with at most five connections each
# visibility: a role that has nothing but SELECT; horizon: one that also sees when transactions began
ROLES = {"visibility": "", "horizon": "pg_read_all_stats"}


@dataclasses.dataclass
class Tally:
    """By rule: the number of schedules, those in which it missed a row, and the rows; and the seeds of the latter."""

    schedules: Counter[str] = dataclasses.field(default_factory=Counter)
    with_misses: Counter[str] = dataclasses.field(default_factory=Counter)
    missed: Counter[str] = dataclasses.field(default_factory=Counter)
    rows: Counter[str] = dataclasses.field(default_factory=Counter)
    failed: list[int] = dataclasses.field(default_factory=list)
    reads: int = 0
    seconds: float = 0.0

    def add(self, schedule: Schedule) -> None:
        """Count a schedule that has ended."""
        self.reads += schedule.reads
        for rule, reader in schedule.readers.items():
            self.schedules[rule] += 1
            self.rows[rule] += len(reader.rows)
            self.missed[rule] += len(reader.missed)
            self.with_misses[rule] += bool(reader.missed)
            if reader.missed and rule != "lag":
                self.failed.append(schedule.seed)

    def lines(self) -> list[str]:
        """One line per rule."""
        names = {
            "lag": "cursor_lag alone (before)",
            "visibility": "late_commits: visibility",
            "horizon": "late_commits: horizon",
        }
        return [
            f"{names[rule]:26} {self.schedules[rule]:5} schedules, {self.rows[rule]:6} rows: "
            f"{self.missed[rule]:5} rows missed in {self.with_misses[rule]:4} schedules"
            for rule in names
        ]


@contextlib.contextmanager
def schedule_server() -> Iterator[tuple[Server, dict[str, Server]]]:
    """A server with prepared transactions, and the login of each rule's reader."""
    with temporary_server({"max_prepared_transactions": "20"}) as server:
        logins = {}
        with psycopg.connect(server.dsn, autocommit=True) as connection:
            for rule, membership in ROLES.items():
                connection.execute(f"CREATE ROLE reader_{rule} LOGIN PASSWORD 'reader'")
                if membership:
                    connection.execute(f"GRANT {membership} TO reader_{rule}")
                logins[rule] = dataclasses.replace(server, user=f"reader_{rule}", password="reader")
        yield server, logins


def run_schedules(seeds: Iterable[int], progress: Callable[[Tally], None] = lambda tally: None) -> Tally:
    """Run the schedules with these seeds, several side by side: a read takes the tables of all of them at once."""
    tally, started, waiting = Tally(), time.monotonic(), list(seeds)
    with schedule_server() as (server, logins):
        while waiting:
            schedules = [Schedule(server, seed) for seed in waiting[:_SIDE_BY_SIDE]]
            del waiting[:_SIDE_BY_SIDE]
            run_together(schedules, logins)
            for schedule in schedules:
                tally.add(schedule)
            tally.seconds = time.monotonic() - started
            progress(tally)
    return tally


def run_together(schedules: Sequence[Schedule], logins: Mapping[str, Server]) -> None:
    """Run some schedules to their end.

    Args:
        schedules: with a table each.
        logins: by the value of ``late_commits``, the login that reads with it.
    """
    folder = Path(tempfile.mkdtemp(prefix="midnight-late-", dir=_MEMORY if _MEMORY.is_dir() else None))
    lakes = {rule: BronzeFolder(folder / rule) for rule in logins}
    running = [(schedule, schedule.steps()) for schedule in schedules]
    try:
        for batch in map(batch_of_day, itertools.count(1)):
            running = [(schedule, steps) for schedule, steps in running if next(steps, True) is None]
            if not running:
                return
            for rule, lake in lakes.items():
                tables = [schedule.tables[rule] for schedule, _ in running if rule in schedule.tables]
                if tables:
                    lake.ingest(logins[rule], *tables, batch_id=batch, connections=1, warn=lambda line: None)
            for schedule, _ in running:
                schedule.read({r: {x[0]: x[1] for x in lakes[r].rows(table)} for r, table in schedule.tables.items()})
    finally:
        for _, steps in running:
            steps.close()
        shutil.rmtree(folder)
