"""Applies batches to silver: table by table in the order of their references, recorded in the ledger."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from midnight.bronze.manifest import Manifest
from midnight.bronze_to_silver.batch_chain import Chain, check_chain
from midnight.bronze_to_silver.fingerprint import Fingerprint
from midnight.bronze_to_silver.table_order import group_by_references, has_independent_rows, referenced_tables
from midnight.configuration.tables import Table
from midnight.errors import LakeError, MaskingError, MidnightError, QualityGateError, ReconciliationError
from midnight.lake.ledger import LedgerEntry
from midnight.lake.paths import LakePaths
from midnight.masking import MaskingKey, masking_state
from spark_jobs.reconciliation.proofs import Proofs
from spark_jobs.runtime.delta_tables import discard
from spark_jobs.silver.altered_tables import find_altered, repair_hint
from spark_jobs.silver.batches_to_apply import batches_to_apply
from spark_jobs.silver.circular_references import rows_that_may_be_referenced
from spark_jobs.silver.entries import make_entry, make_skipped_entry
from spark_jobs.silver.fingerprints import Fingerprints
from spark_jobs.silver.ledger import Ledger
from spark_jobs.silver.masking_guard import other_masking
from spark_jobs.silver.messages import describe_entry, engine_failed_message
from spark_jobs.silver.outcomes import Outcome, Outcomes
from spark_jobs.silver.referenced_tables import referenced_frames
from spark_jobs.silver.table import SilverTable
from spark_jobs.silver.table_groups import run_groups
from spark_jobs.silver.unchanged_digests import keep_digests
from spark_jobs.silver.unchanged_tables import UnchangedTables

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

TableChain = tuple[Table, Chain]

# More only helps an engine with more machines: a local one has as many cores as this, and two tables' worth of memory.
TABLES_AT_ONCE = 2


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
        proofs: what was compared with what.
        in_turn: silver names of the tables that are read completely in this run.
        released: silver name -> who released which failed checks, and why.
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
        self._ledgers = [Ledger(session, lake.ledger) for lake in self.lakes]
        self.ledger, self._fingerprints = self._ledgers[0], Fingerprints(self._ledgers)
        self.masking_key, self.replaced, self.full = masking_key, replaced, full
        self.failures: dict[str, MidnightError] = {}
        self.proofs = Proofs(session, paths.silver_digests)
        self.in_turn: Collection[str] = ()
        self.released: Mapping[str, str] = {}
        self._settled: dict[str, LedgerEntry | None] = {}
        self._unchanged = UnchangedTables(paths, run_id, self._settled, full)
        self._restarted: set[str] = set()
        self._altered: dict[str, ReconciliationError] = {}
        self._broken: list[LedgerEntry] = []

    def apply(self, works: Sequence[TableChain]) -> list[LedgerEntry]:
        """Apply every table, the referenced ones first.

        A table that fails is left unchanged and does not stop the others; see ``failures``. The ledger gets one commit
        before tables change and one after; a run that is killed between them leaves ``started`` entries, and the next
        run evaluates these tables completely.

        Args:
            works: the tables, each with the batches that together hold it.
        """
        newest = {table.silver: self.ledger.newest_started(table.silver) for table, _ in works}
        due = {t.silver: (t, c) for t, c in works if c[-1].batch_id >= newest[t.silver]}
        entries = [make_skipped_entry(self.run_id, t, c[-1], newest[t.silver]) for t, c in works if t.silver not in due]
        self._settled |= {
            name: self.ledger.last_applied(name)
            for name, (table, _) in due.items()
            if self.ledger.is_settled(name) and not self.proofs.is_different(table)
        }
        self._restarted = {name for name, (_, c) in due.items() if c[-1].batch_id == newest[name]}
        entries += self._refuse_other_masking(due)
        self._find_altered([table for table, _ in due.values()])
        discard(self.paths.staging)  # left by a run that was killed
        entries += self._settle_unchanged(due)
        started = [
            make_entry(self.run_id, t, c[-1], status="started", masking=masking_state(t, self.masking_key))
            for t, c in due.values()
        ]
        self.ledger.append([*entries, *started])
        for entry in entries:
            print(describe_entry(entry), flush=True)
        return [*entries, *self._change(due)] if due else entries

    def _settle_unchanged(self, due: dict[str, TableChain]) -> list[LedgerEntry]:
        """Remove from ``due`` the tables that nothing can change in this run; returns their entries."""
        entries: list[LedgerEntry] = []
        for group in group_by_references([table for table, _ in due.values()]):
            members = [due[table.silver] for table in group]
            names = {table.silver for table in group}
            if any(name in due and name not in names for table in group for name in referenced_tables(table)):
                continue  # it references a table that may change
            wanted = self._fingerprints.of(members)
            unchanged = self._unchanged.entries(members, wanted) or self._unchanged.repeated(members, wanted)
            keep_digests(self.proofs, self.paths, members, self._settled, unchanged)
            for entry in unchanged:
                del due[entry.table]
            entries += unchanged
        self.proofs.save()
        return entries

    def _change(self, due: dict[str, TableChain]) -> list[LedgerEntry]:
        groups = group_by_references([table for table, _ in due.values()])
        works = [[due[table.silver] for table in group] for group in groups]
        outcomes = Outcomes(self.session, self.paths, self.run_id, self.ledger, self.proofs)
        changes = run_groups(groups, lambda number: self._apply_group(works[number]), at_once=TABLES_AT_ONCE)
        try:
            with contextlib.closing(changes):  # after an error too, nothing runs any more
                for outcome in changes:
                    outcomes.add(outcome)
                    for entry in outcome.entries:
                        print(describe_entry(entry), flush=True)
        except Exception:
            with contextlib.suppress(Exception):  # on a full disk this fails too; the first error is the one to report
                outcomes.add(Outcome(self._broken))
                outcomes.record()
            raise
        else:
            outcomes.record()
        finally:
            discard(self.paths.staging)
        return outcomes.entries

    def _apply_group(self, group: list[TableChain]) -> Outcome:
        """Usually one table; tables that reference each other in a cycle change together or not at all."""
        from pyspark.errors import PySparkException

        wanted = self._fingerprints.of(group)
        tables: dict[str, SilverTable] = {}
        try:
            done = self._unchanged.entries(group, wanted)
            keep_digests(self.proofs, self.paths, group, self._settled, done)
            done = done or self._change_group(group, wanted, tables)
        except MidnightError as error:
            done = [self._failed(table, chain[-1], error, tables.get(table.silver)) for table, chain in group]
        except PySparkException as error:
            raise self._engine_failed(group, error) from error
        self._fingerprints.add(done)
        return Outcome(done, [silver.rejected for silver in tables.values() if silver.rejected is not None])

    def _change_group(
        self, group: list[TableChain], wanted: dict[str, Fingerprint], tables: dict[str, SilverTable]
    ) -> list[LedgerEntry]:
        """Fills ``tables``, whose rejected rows count even if a check stops the group."""
        for table, chain in group:
            check_chain(table, chain)
        members = [table for table, _ in group]
        tables |= {t.silver: self._silver_table(t, chain, wanted[t.silver], members) for t, chain in group}
        referenced = {name: self._referenced_frames(silver.table, tables) for name, silver in tables.items()}
        inside = rows_that_may_be_referenced(list(tables.values()), referenced)
        for name, frames in referenced.items():
            frames.update({other: inside[other] for other in referenced_tables(tables[name].table) if other in inside})
        errors: list[QualityGateError] = []
        for name, silver in tables.items():
            try:
                silver.prepare(referenced[name], str(wanted[name]))
            except QualityGateError as error:
                errors.append(error)
        if errors:
            names = [name for error in errors for name in error.releasable]
            raise QualityGateError("; ".join(map(str, errors)), names)
        return [silver.commit() for silver in tables.values()]

    def _silver_table(self, table: Table, chain: Chain, wanted: Fingerprint, group: Sequence[Table]) -> SilverTable:
        different = self.proofs.is_different(table)
        if different and table.deletes == "soft":
            raise self._altered.get(table.silver) or ReconciliationError(
                f"{table.silver} differed in an earlier run; {repair_hint(table)}"
            )
        last = self.ledger.last_applied(table.silver)
        before = Fingerprint.parse(last.fingerprint) if last else None
        silver = SilverTable(
            self.session,
            self.paths,
            self.run_id,
            table,
            chain,
            replace=(before is not None and before.key != wanted.key) or different,
            records_changes=self._records_changes(table, chain),
            rewrite_quarantine=table.silver in self._restarted,
            masking_key=self.masking_key,
            settled=self._settled.get(table.silver),
            proofs=self.proofs,
            released=self.released.get(table.silver, ""),
        )
        if table.silver not in self.full and has_independent_rows(table, group):
            silver.batches, silver.increment = batches_to_apply(silver, silver.settled, before, wanted)
            if silver.increment and last is not None and silver.deleted.came_back(chain, last.batch_id):
                silver.batches, silver.increment = chain, False
                del silver.deleted  # it was made for the increments alone
            if len(silver.batches) == 1 and not silver.increment:
                silver.difference = self._unchanged.difference(table, chain, wanted)
        return silver

    def _records_changes(self, table: Table, chain: Chain) -> bool:
        """Whether the changes of a batch are all since the last applied entry, and have a folder of their own."""
        settled = self._settled.get(table.silver) is not None
        in_rebuild = len(self.lakes) > 1
        return settled and not in_rebuild and not self.ledger.has_change_set(table.silver, chain[-1].batch_id)

    def _referenced_frames(self, table: Table, group: dict[str, SilverTable]) -> dict[str, DataFrame]:
        outside = [name for name in referenced_tables(table) if name not in group]
        return referenced_frames(self.session, table, outside, self.lakes)

    def _refuse_other_masking(self, due: dict[str, TableChain]) -> list[LedgerEntry]:
        """Remove from ``due`` what would mix pseudonyms of two keys, or pseudonyms and values, in one lake."""
        lakes = list(zip(self.lakes, [ledger.maskings() for ledger in self._ledgers], strict=True))
        tables = [table for table, _ in due.values()]
        reasons = {t.silver: other_masking(self.session, t, self.masking_key, lakes, self.replaced) for t in tables}
        return [
            self._failed(table, chain[-1], MaskingError(f"{name}: {reason}"))
            for name, reason in reasons.items()
            if reason
            for table, chain in [due.pop(name)]
        ]

    def _find_altered(self, tables: Sequence[Table]) -> None:
        """Evaluate completely what another writer, or a disk, has changed since the last run: to name its rows."""
        self._altered = find_altered(self.proofs, self.paths, tables, self._settled, self.in_turn)
        for name in self._altered:
            self._settled[name] = None
            self.proofs.altered.add(name)

    def _engine_failed(self, group: list[TableChain], error: Exception) -> LakeError:
        """An error of the engine (disk full, no permission) ends the run: the next table would fail as well."""
        message = engine_failed_message([table for table, _ in group], error)
        self._broken += [make_entry(self.run_id, t, c[-1], status="failed", message=message) for t, c in group]
        return LakeError(
            f"{message}; each silver table is either unchanged or complete; hint: fix the cause, then clear the task"
        )

    def _failed(self, table: Table, last: Manifest, error: MidnightError, of: SilverTable | None = None) -> LedgerEntry:
        self.failures[table.silver] = error
        values = {"rows_in": last.rows, "message": str(error), "failed_checks": of.failed_checks if of else ""}
        return make_entry(self.run_id, table, last, status="failed", **values)
