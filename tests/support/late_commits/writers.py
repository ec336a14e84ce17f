"""A writer of a schedule: one connection, with at most one open transaction, and the transactions it has prepared."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg

if TYPE_CHECKING:
    from tests.support.late_commits.schedule import Schedule


class Writer:
    """Takes one random step after the other.

    Args:
        schedule: whose table it writes.
        number: of the writer.
    """

    def __init__(self, schedule: Schedule, number: int) -> None:
        self.schedule, self.number, self.random = schedule, number, schedule.random
        self._connection = psycopg.connect(schedule.server.dsn, autocommit=True)
        self._open = False
        self._begun: object = None
        self._savepoints = 0
        self._prepared: list[str] = []
        self._locked: set[int] = set()
        self._of_prepared: dict[str, set[int]] = {}

    def step(self) -> None:
        """One step."""
        if not self._open:
            actions = [self._begin] * 6 + [self._clock] + [self._decide_prepared] * (2 * len(self._prepared))
        else:
            actions = [self._write] * 6 + [self._savepoint] * 2 + [self._commit] * 2
            actions += [self._rollback, self._prepare, self._clock]
            actions += [self._rollback_to] * (2 if self._savepoints else 0)
        self.random.choice(actions)()

    def end(self) -> None:
        """Decide everything that is open."""
        if self._open:
            self.random.choice([self._commit, self._commit, self._rollback])()
        while self._prepared:
            self._decide_prepared()

    def close(self) -> None:
        """Leave nothing open at the server."""
        self._connection.close()
        if self._prepared:
            with psycopg.connect(self.schedule.server.dsn, autocommit=True) as connection:
                for name in self._prepared:
                    connection.execute(f"ROLLBACK PREPARED '{name}'")

    @property
    def locked(self) -> set[int]:
        """Rows that an open or prepared transaction of this writer may hold."""
        return self._locked.union(*self._of_prepared.values())

    def _begin(self) -> None:
        self._run("BEGIN")
        self._open, self._savepoints = True, 0
        self._begun = self.schedule.cursor.begin()
        if self.random.random() < 0.3:  # a transaction may be open for long before it writes
            self._run("SELECT 1")
        else:
            self._write()

    def _write(self) -> None:
        version = next(self.schedule.versions)
        value = "NULL" if self.random.random() < 0.1 else self.schedule.cursor.sql(self._begun)
        name = self.schedule.name
        free = self.schedule.committed().keys() - set().union(*(w.locked for w in self.schedule.writers)) | (
            self._locked & self.schedule.committed().keys()
        )
        if free and self.random.random() < 0.5:
            key = self.random.choice(sorted(free))
            self._run(f"UPDATE {name} SET version = {version}, moved = {value} WHERE id = {key}")
        else:
            key = version
            self._run(f"INSERT INTO {name} VALUES ({key}, {version}, {value})")
        self._locked.add(key)

    def _savepoint(self) -> None:
        self._savepoints += 1
        self._run(f"SAVEPOINT s{self._savepoints}")

    def _rollback_to(self) -> None:
        number = self.random.randint(1, self._savepoints)
        self._run(f"ROLLBACK TO SAVEPOINT s{number}")
        self._savepoints = number

    def _commit(self) -> None:
        self._run("COMMIT")
        self._ended()

    def _rollback(self) -> None:
        self._run("ROLLBACK")
        self._ended()

    def _prepare(self) -> None:
        name = f"{self.schedule.name}_{self.number}_{next(self.schedule.versions)}"
        self._run(f"PREPARE TRANSACTION '{name}'")
        self._prepared.append(name)
        self._of_prepared[name] = self._locked
        self._locked = set()
        self._ended()

    def _decide_prepared(self) -> None:
        name = self.random.choice(self._prepared)
        self._run(f"{self.random.choice(['COMMIT', 'COMMIT', 'ROLLBACK'])} PREPARED '{name}'")
        self._prepared.remove(name)
        del self._of_prepared[name]

    def _ended(self) -> None:
        self._open, self._locked = False, set()

    def _clock(self) -> None:
        self.schedule.history.append(self.schedule.cursor.step())

    def _run(self, statement: str) -> None:
        self.schedule.history.append(f"writer {self.number}: {statement}")
        self._connection.execute(statement)
