"""One random schedule: writers with open transactions at a real server, and reads of their table in between.

One process holds all connections and chooses every step from a seed, so that nothing waits and a schedule repeats. The
reads are the product's own; next to each the rule without a horizon reads what it would have read.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field

import psycopg

from cli.postgres.embedded import Server
from midnight.configuration.cursors import cursor_literal, cursor_text, cursor_value, step_back
from midnight.configuration.tables import Table
from tests.support.late_commits.clock import CURSORS, Cursor
from tests.support.late_commits.writers import Writer

# key -> version of the row; no two writes have the same version
Rows = dict[int, int]


@dataclass
class Reader:
    """One rule that reads the table: what it has brought so far, and where its next read starts."""

    rows: Rows = field(default_factory=dict)
    missed: set[tuple[int, int]] = field(default_factory=set)

    def compare(self, table: Rows) -> None:
        """Remember the rows whose current version did not arrive."""
        self.missed |= {(key, version) for key, version in table.items() if self.rows.get(key) != version}


class Schedule:
    """One schedule; ``steps`` runs it, and stops where the table must be read.

    Args:
        server: with the right to write and to make tables.
        seed: of the schedule.
    """

    def __init__(self, server: Server, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311 (a test's choice)
        self.server, self.seed = server, seed
        self.cursor: Cursor = self.random.choice(CURSORS)(self.random)
        self.name = f"t_{seed}"
        self.history: list[str] = [f"cursor: {self.cursor}"]
        rules = ["visibility", "horizon"] if self.cursor.from_the_servers_clock else ["visibility"]
        self.readers = {"lag": Reader(), **{rule: Reader() for rule in rules}}
        self.versions = itertools.count(1)
        self.reads = 0
        self.tables: dict[str, Table] = {}
        self.writers: list[Writer] = []
        self._old_reached: str | None = None

    def steps(self) -> Generator[None, None, None]:
        """Run all steps; stops before each read, which is then made by ``read``."""
        self._connection = psycopg.connect(self.server.dsn, autocommit=True, options="-c TimeZone=UTC")
        self.writers = [Writer(self, number) for number in range(self.random.randint(2, 4))]
        try:
            self._create()
            steps = self.random.randint(20, 45)
            reads = sorted(self.random.sample(range(5, steps), self.random.randint(2, 3)))
            for step in range(steps):
                if step in reads:
                    yield
                self.random.choice(self.writers).step()
            yield
            for writer in self.random.sample(self.writers, len(self.writers)):
                writer.end()
            yield
        finally:
            for writer in self.writers:
                writer.close()
            self._connection.execute(f"DROP TABLE IF EXISTS {self.name}")
            self._connection.close()

    def read(self, brought: Mapping[str, Rows]) -> None:
        """Compare what each rule has brought with the table.

        Args:
            brought: by rule, the rows of the batch that was just read.
        """
        self.reads += 1
        for rule, rows in brought.items():
            self.readers[rule].rows |= rows
        self._read_by_lag()
        table = self.committed()
        for reader in self.readers.values():
            reader.compare(table)
        note = ", ".join(f"{rule} misses {len(reader.missed)}" for rule, reader in self.readers.items())
        self.history.append(f"read {self.reads}: {note}")

    def committed(self) -> Rows:
        """The table as everybody sees it."""
        return dict(self._connection.execute(f"SELECT id, version FROM {self.name}").fetchall())

    def _create(self) -> None:
        self._connection.execute(
            f"CREATE TABLE {self.name} (id int PRIMARY KEY, version int, moved {self.cursor.type});"
            f"CREATE INDEX ON {self.name} (moved); GRANT SELECT ON {self.name} TO PUBLIC;"
            f"INSERT INTO {self.name} SELECT -i, -i, {self.cursor.start} FROM generate_series(1, 6) i"
        )
        columns = [{"name": "id", "type": "integer"}, {"name": "version", "type": "integer"}]
        columns.append({"name": "moved", "type": self.cursor.type})
        for rule in self.readers.keys() - {"lag"}:
            self.tables[rule] = Table.model_validate(
                {
                    **{"schema": "public", "table": self.name, "silver": self.name, "columns": columns, "key": ["id"]},
                    **{"mode": "incremental", "cursor": "moved", "cursor_lag": self.cursor.lag, "late_commits": rule},
                    "full_snapshot_interval_days": 0,
                }
            )

    def _read_by_lag(self) -> None:
        """Read from the highest value so far minus the lag, as before there were horizons."""
        table, kind = self.tables["visibility"], self.cursor.kind
        condition = ""
        if self._old_reached is not None:
            since = cursor_literal(step_back(self._old_reached, kind, table.effective_cursor_lag), kind)
            condition = f" WHERE moved >= {since} OR moved IS NULL"
        query = f"SELECT id, version, moved, now() FROM {self.name}{condition}"
        rows = self._connection.execute(query).fetchall()
        self.readers["lag"].rows |= {row[0]: row[1] for row in rows}
        values = [cursor_text(row[2]) for row in rows if row[2] is not None]
        values += [self._old_reached] if self._old_reached is not None else []
        if rows:
            highest = max(values, key=lambda text: cursor_value(text, kind), default=None)
            ends = [highest, self.cursor.text_of_clock(rows[0][3])] if highest is not None else []
            self._old_reached = min(ends, key=lambda text: cursor_value(text, kind), default=None)
