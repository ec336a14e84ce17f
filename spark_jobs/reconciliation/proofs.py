"""The digests of tables and the outcomes of comparisons, kept until a job records them."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from midnight.configuration.tables import Table
from midnight.errors import ReconciliationError
from midnight.lake.paths import is_local
from midnight.reconciliation.digest_states import (
    STATE_COLUMNS,
    TableDigest,
    read_states,
    states_of_rows,
    write_states_locally,
)
from midnight.reconciliation.record import Link, LinkRecord
from midnight.reconciliation.run_records import RECORD_COLUMNS, StepRecord, append_step_record
from spark_jobs.runtime.delta_tables import append_rows, load_table, overwrite_table

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@dataclass(frozen=True)
class Proof:
    """What was compared for one table.

    Args:
        records: the outcomes.
        state: what the table should contain from now on; None if nothing is known about it.
    """

    records: tuple[LinkRecord, ...]
    state: TableDigest | None = None

    @property
    def is_different(self) -> bool:
        return any(record.status == "different" for record in self.records)


@dataclass
class Proofs:
    """The digests of a layer, and what a run compares; used by several threads.

    Args:
        session: any engine.
        path: ``LakePaths.silver_digests`` or ``gold_digests``.

    Attributes:
        altered: names of tables that were changed by another writer, or by a disk, after the last run.
    """

    session: SparkSession
    path: str
    altered: set[str] = field(default_factory=set)
    _records: dict[tuple[Link, str], list[LinkRecord]] = field(default_factory=dict, init=False)
    _states: dict[str, TableDigest] | None = field(default=None, init=False)
    _changed: bool = field(default=False, init=False)
    _lock: threading.RLock = field(default_factory=threading.RLock, init=False)

    @property
    def records(self) -> list[LinkRecord]:
        """The outcomes."""
        with self._lock:
            return [record for records in self._records.values() for record in records]

    @property
    def states(self) -> Mapping[str, TableDigest]:
        """The digests by table, read once."""
        with self._lock:
            if self._states is None:
                self._states = read_engine_states(self.session, self.path)
            return self._states

    def add(self, proof: Proof) -> None:
        """Keep the outcome for one table, in place of an earlier one of this run."""
        with self._lock:
            for key in {(record.link, record.table) for record in proof.records}:
                self._records.pop(key, None)
            for record in proof.records:
                self._records.setdefault((record.link, record.table), []).append(record)
            if proof.state is not None and self.states.get(proof.state.table) != proof.state:
                self._states = {**self.states, proof.state.table: proof.state}
                self._changed = True

    def save(self) -> None:
        """Write the digests if one has changed.

        Raises:
            ReconciliationError: they cannot be written.
        """
        with self._lock:
            states, changed, self._changed = self._states, self._changed, False
        if not changed or states is None:
            return
        try:
            write_engine_states(self.session, self.path, states)
        except BaseException:
            self._changed = True
            raise

    def is_different(self, table: Table) -> bool:
        """Whether the last run found that the table of silver differs, so that it has to be written again."""
        state = self.states.get(table.silver) if table.proves_silver else None
        return state is not None and state.status == "different"


def read_engine_states(session: SparkSession, path: str) -> dict[str, TableDigest]:
    """The digests of a layer: by delta-rs in a folder, by the engine in Azure."""
    if is_local(path):
        return read_states(path)
    table = load_table(session, path)
    if table is None:
        return {}
    rows = [row.asDict() for row in table.select(*STATE_COLUMNS).collect()]
    return states_of_rows(row | {"digest": bytes(row["digest"])} for row in rows)


def write_engine_states(session: SparkSession, path: str, states: Mapping[str, TableDigest]) -> None:
    """Replace the digests of a layer in one commit."""
    if is_local(path):
        write_states_locally(path, states)
        return
    rows = [tuple(getattr(states[name], column) for column in STATE_COLUMNS) for name in sorted(states)]
    overwrite_table(session.createDataFrame(rows, _schema(STATE_COLUMNS)), path)


def record_step(session: SparkSession, path: str, record: StepRecord) -> None:
    """Append what a job has compared to ``LakePaths.reconciliation``; nothing if it has compared nothing."""
    if not record.records:
        return
    if is_local(path):
        append_step_record(path, record)
        return
    row = record.as_row()
    append_rows(session.createDataFrame([tuple(row[name] for name in RECORD_COLUMNS)], _schema(RECORD_COLUMNS)), path)


def merge_records(records: Sequence[LinkRecord]) -> LinkRecord:
    """One record of one table and link from those of several readers.

    Raises:
        ReconciliationError: they are of different tables or links.
    """
    first = records[0]
    if any((record.table, record.link) != (first.table, first.link) for record in records):
        raise ReconciliationError(f"records of different tables cannot be merged: {records!r}")
    worst = next((record for record in records if record.status == "different"), first)
    parts = [record.compared for record in records if record.compared]
    return worst.model_copy(
        update={"compared": "; ".join(parts), "seconds": round(sum(record.seconds for record in records), 3)}
    )


def of_link(records: Sequence[LinkRecord], link: Link) -> list[LinkRecord]:
    """The records of one comparison."""
    return [record for record in records if record.link == link]


def _schema(columns: Mapping[str, str]) -> str:
    return ", ".join(f"`{name}` {kind}" for name, kind in columns.items())
