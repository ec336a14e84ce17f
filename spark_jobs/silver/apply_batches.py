"""Applies batches to silver: table by table in the order of their references, recorded in the ledger."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from midnight.bronze.manifest import Manifest
from midnight.bronze_to_silver.batch_chain import Chain, check_chain, increments_since
from midnight.bronze_to_silver.fingerprint import Fingerprint, fingerprint
from midnight.bronze_to_silver.table_order import group_by_references, has_independent_rows, referenced_tables
from midnight.configuration.tables import Table
from midnight.errors import LakeError, MaskingError, MidnightError, QualityGateError, first_line
from midnight.lake.ledger import LedgerEntry
from midnight.lake.paths import LakePaths
from midnight.masking import MaskingKey, masking_state, may_quote_masked_values
from spark_jobs.runtime.delta_tables import discard
from spark_jobs.silver.circular_references import rows_that_may_be_referenced
from spark_jobs.silver.entries import is_empty_increment, make_entry, make_unchanged_entry
from spark_jobs.silver.ledger import Ledger
from spark_jobs.silver.masking_guard import other_masking
from spark_jobs.silver.messages import describe_entry
from spark_jobs.silver.referenced_tables import referenced_frames
from spark_jobs.silver.table import SilverTable

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

TableChain = tuple[Table, Chain]


class SilverRun:
    """Brings each table of silver to the state of its newest batch.

    Args:
        session: any engine.
        paths: of the lake.
        run_id: the DAG run.
        fallback: the lake of referenced tables that ``paths`` does not have (a rebuild of some tables).
        masking_key: None if no table has a masked column.
        replaced: silver names of the tables that a rebuild replaces.
        full: silver names of the tables whose ledger entry must count all rows, not only those of increments.

    Attributes:
        failures: silver name -> error of a table that was not applied.
    """

    def __init__(
        self,
        session: SparkSession,
        paths: LakePaths,
        run_id: str,
        *,
        fallback: LakePaths | None = None,
        masking_key: MaskingKey | None = None,
        replaced: Collection[str] = (),
        full: Collection[str] = (),
    ) -> None:
        self.session, self.paths, self.run_id = session, paths, run_id
        self.lakes = [paths] if fallback is None else [paths, fallback]
        self.ledger = Ledger(session, paths.ledger)
        self.fallback_ledger = None if fallback is None else Ledger(session, fallback.ledger)
        self.masking_key, self.replaced, self.full = masking_key, replaced, full
        self.failures: dict[str, MidnightError] = {}
        self._settled: dict[str, LedgerEntry | None] = {}
        self._restarted: set[str] = set()

    def apply(self, works: Sequence[TableChain]) -> list[LedgerEntry]:
        """Apply every table, the referenced ones first.

        A table that fails is left unchanged and does not stop the others; see ``failures``.

        Args:
            works: the tables, each with the batches that together hold it.
        """
        newest = {table.silver: self.ledger.newest_started(table.silver) for table, _ in works}
        due = {t.silver: (t, c) for t, c in works if c[-1].batch_id >= newest[t.silver]}
        skipped = [
            make_entry(
                self.run_id,
                t,
                c[-1],
                status="skipped",
                message=f"batch {c[-1].batch_id} is older than batch {newest[t.silver]}, which silver already has",
            )
            for t, c in works
            if t.silver not in due
        ]
        self._settled = {name: self.ledger.last_applied(name) for name in due if self.ledger.is_settled(name)}
        self._restarted = {name for name, (_, c) in due.items() if c[-1].batch_id == newest[name]}
        refused = self._refuse_other_masking(due)
        started = [
            make_entry(self.run_id, t, c[-1], status="started", masking=masking_state(t, self.masking_key))
            for t, c in due.values()
        ]
        discard(self.paths.staging)  # left by a run that was killed
        self.ledger.append([*skipped, *refused, *started])
        for entry in [*skipped, *refused]:
            print(describe_entry(entry), flush=True)
        entries = [*skipped, *refused]
        try:
            for group in group_by_references([table for table, _ in due.values()]):
                entries += self._apply_group([due[table.silver] for table in group])
        finally:
            discard(self.paths.staging)
        return entries

    def _apply_group(self, group: list[TableChain]) -> list[LedgerEntry]:
        """Usually one table; tables that reference each other in a cycle change together or not at all."""
        from pyspark.errors import PySparkException

        wanted = self._fingerprints(group)
        unchanged = [self._unchanged_entry(*work, str(wanted[work[0].silver])) for work in group]
        done = [entry for entry in unchanged if entry is not None]
        if len(done) < len(group):
            try:
                done = self._change_group(group, wanted)
            except MidnightError as error:
                done = [self._failed(table, chain[-1], error) for table, chain in group]
            except PySparkException as error:
                raise self._engine_failed(group, error) from error
        self.ledger.append(done)
        for entry in done:
            print(describe_entry(entry), flush=True)
        return done

    def _change_group(self, group: list[TableChain], wanted: dict[str, Fingerprint]) -> list[LedgerEntry]:
        for table, chain in group:
            check_chain(table, chain)
        members = [table for table, _ in group]
        tables = {t.silver: self._silver_table(t, chain, wanted[t.silver], members) for t, chain in group}
        referenced = {name: self._referenced_frames(silver.table, tables) for name, silver in tables.items()}
        inside = rows_that_may_be_referenced(self.session, list(tables.values()), referenced)
        for name, frames in referenced.items():
            frames.update({other: inside[other] for other in referenced_tables(tables[name].table) if other in inside})
        errors: list[QualityGateError] = []
        for name, silver in tables.items():
            try:
                silver.prepare(referenced[name], str(wanted[name]))
            except QualityGateError as error:
                errors.append(error)
        if errors:
            raise QualityGateError("; ".join(map(str, errors)))
        return [silver.commit() for silver in tables.values()]

    def _silver_table(self, table: Table, chain: Chain, wanted: Fingerprint, group: Sequence[Table]) -> SilverTable:
        last = self.ledger.last_applied(table.silver)
        before = Fingerprint.parse(last.fingerprint) if last else None
        silver = SilverTable(
            self.session,
            self.paths,
            self.run_id,
            table,
            chain,
            replace=before is not None and before.key != wanted.key,
            records_changes=self._records_changes(table, chain),
            rewrite_quarantine=table.silver in self._restarted,
            masking_key=self.masking_key,
        )
        if table.silver not in self.full and has_independent_rows(table, group):
            silver.batches, silver.increment = self._batches_to_apply(silver, before, wanted)
        return silver

    def _records_changes(self, table: Table, chain: Chain) -> bool:
        """Whether the changes of a batch are all since the last applied entry, and have a folder of their own."""
        settled = self._settled.get(table.silver) is not None
        in_rebuild = self.fallback_ledger is not None
        return settled and not in_rebuild and not self.ledger.has_change_set(table.silver, chain[-1].batch_id)

    def _batches_to_apply(
        self, silver: SilverTable, before: Fingerprint | None, wanted: Fingerprint
    ) -> tuple[Chain, bool]:
        """The increments that silver does not have yet, and true; or all batches, and false.

        Increments suffice if silver is, by the same rules, in the state that the ledger recorded for an earlier batch
        of the chain.
        """
        last = self._settled.get(silver.table.silver)
        increments = increments_since(silver.batches, last.batch_id) if last else ()
        if not increments or last is None or before is None or (before.key, before.rules) != (wanted.key, wanted.rules):
            return silver.batches, False
        if silver.schema_changed() or silver.rows() != last.silver_after:
            return silver.batches, False
        return increments, True

    def _referenced_frames(self, table: Table, group: dict[str, SilverTable]) -> dict[str, DataFrame]:
        outside = [name for name in referenced_tables(table) if name not in group]
        return referenced_frames(self.session, table, outside, self.lakes)

    def _refuse_other_masking(self, due: dict[str, TableChain]) -> list[LedgerEntry]:
        """Remove from ``due`` what would mix pseudonyms of two keys, or pseudonyms and values, in one lake."""
        ledgers = [self.ledger, *([] if self.fallback_ledger is None else [self.fallback_ledger])]
        lakes = list(zip(self.lakes, [ledger.maskings() for ledger in ledgers], strict=True))
        reasons = {
            name: other_masking(self.session, table, self.masking_key, lakes, self.replaced)
            for name, (table, _) in due.items()
        }
        return [
            self._failed(table, chain[-1], MaskingError(f"{name}: {reason}"))
            for name, reason in reasons.items()
            if reason
            for table, chain in [due.pop(name)]
        ]

    def _fingerprints(self, group: list[TableChain]) -> dict[str, Fingerprint]:
        names = {table.silver for table, _ in group}
        outside = {name for table, _ in group for name in referenced_tables(table)} - names
        referenced = {name: self._last_fingerprint(name) for name in outside}
        return {table.silver: fingerprint(table, group, referenced) for table, _ in group}

    def _last_fingerprint(self, name: str) -> str:
        last = self.ledger.last_applied(name)
        if last is None and self.fallback_ledger is not None:
            last = self.fallback_ledger.last_applied(name)
        return last.fingerprint if last else ""

    def _unchanged_entry(self, table: Table, chain: Chain, wanted: str) -> LedgerEntry | None:
        """The entry of a table that has this fingerprint already, without reading rows; None for any other table."""
        last, newest = self._settled.get(table.silver), chain[-1]
        if last is None or last.fingerprint != wanted or (newest.follows and table.silver in self.full):
            return None
        silver = SilverTable(self.session, self.paths, self.run_id, table, chain)
        if silver.rows() != last.silver_after:  # silver has lost or gained rows
            return None
        if last.quarantined and not is_empty_increment(newest, last):
            silver.quarantine.carry_over(last.batch_id)
        return make_unchanged_entry(self.run_id, table, chain, last)

    def _engine_failed(self, group: list[TableChain], error: Exception) -> LakeError:
        """An error of the engine (disk full, no permission) ends the run: the next table would fail as well."""
        names = ", ".join(table.qualified_name for table, _ in group)
        reason = first_line(error)
        if any(may_quote_masked_values(table) for table, _ in group):
            reason = (
                f"{type(error).__name__} (text hidden, since the table has masked columns and an expression check, "
                "whose error may contain a value; hint: try the expression in a query on the source)"
            )
        message = f"{names}: the engine failed: {reason}"
        with contextlib.suppress(Exception):  # on a full disk this fails too; the first error is the one to report
            self.ledger.append([make_entry(self.run_id, t, c[-1], status="failed", message=message) for t, c in group])
        return LakeError(
            f"{message}; each silver table is either unchanged or complete; hint: fix the cause, then clear the task"
        )

    def _failed(self, table: Table, manifest: Manifest, error: MidnightError) -> LedgerEntry:
        self.failures[table.silver] = error
        return make_entry(self.run_id, table, manifest, status="failed", rows_in=manifest.rows, message=str(error))
