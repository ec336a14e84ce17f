"""One night: the batches of each table brought into silver, in the order of their references, with the ledger kept."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from midnight.bronze.manifest import Manifest
from midnight.bronze_to_silver.table_order import (
    Chain,
    Fingerprint,
    check_chain,
    fingerprint,
    group_by_references,
    increments_since,
    is_judged_row_by_row,
    referenced_tables,
)
from midnight.configuration.tables import Table
from midnight.errors import LakeError, MaskingError, MidnightError, QualityGateError
from midnight.lake.ledger import LedgerEntry
from midnight.lake.paths import LakePaths
from midnight.masking import MaskingKey, masking_state, may_quote_masked_values
from spark_jobs.runtime.delta_tables import discard
from spark_jobs.runtime.messages import describe, describe_batches, source_warnings
from spark_jobs.silver.circular_references import rows_that_may_be_referenced
from spark_jobs.silver.ledger import Ledger
from spark_jobs.silver.masking_guard import other_masking
from spark_jobs.silver.referenced_tables import referenced_frames
from spark_jobs.silver.table import SilverTable

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

Work = tuple[Table, Chain]


class Night:
    """Brings each table of silver to the state of its newest batch.

    Args:
        session: any engine.
        paths: of the lake.
        run_id: the DAG run.
        fallback: lake in which foreign keys find tables that ``paths`` does not have (a rebuild of some tables).
        masking_key: None where no table has a masked column.
        replaced: silver names of the tables that a rebuild replaces.
        whole: silver names of the tables whose ledger entry has to account for all rows: no increment alone will do.
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
        whole: Collection[str] = (),
    ) -> None:
        self.session, self.paths, self.run_id = session, paths, run_id
        self.lakes = [paths] if fallback is None else [paths, fallback]
        self.ledger = Ledger(session, paths.ledger)
        self.fallback_ledger = None if fallback is None else Ledger(session, fallback.ledger)
        self.masking_key, self.replaced, self.whole = masking_key, replaced, whole
        self.failures: dict[str, MidnightError] = {}
        self._settled: dict[str, LedgerEntry | None] = {}

    def apply(self, works: Sequence[Work]) -> list[LedgerEntry]:
        """Every table, those that others refer to first.

        A table that fails is left as it was and does not keep the others from being judged; see ``failures``.

        Args:
            works: the tables, each with the batches that together hold it.
        """
        newest = {table.silver: self.ledger.newest_begun(table.silver) for table, _ in works}
        due = {t.silver: (t, c) for t, c in works if c[-1].batch_id >= newest[t.silver]}
        skipped = [
            self._entry(t, c[-1], status="skipped", message=f"silver already has the newer batch {newest[t.silver]}")
            for t, c in works
            if t.silver not in due
        ]
        self._settled = {name: self.ledger.last_applied(name) for name in due if self.ledger.is_settled(name)}
        self._begun = {name for name, (_, c) in due.items() if c[-1].batch_id == newest[name]}
        refused = self._refuse_other_masking(due)
        started = [
            self._entry(t, c[-1], status="started", masking=masking_state(t, self.masking_key)) for t, c in due.values()
        ]
        discard(self.paths.staging)  # of a run that was killed
        self.ledger.append([*skipped, *refused, *started])
        for entry in [*skipped, *refused]:
            print(describe(entry), flush=True)
        entries = [*skipped, *refused]
        try:
            for group in group_by_references([table for table, _ in due.values()]):
                entries += self._apply_group([due[table.silver] for table in group])
        finally:
            discard(self.paths.staging)
        return entries

    def _apply_group(self, group: list[Work]) -> list[LedgerEntry]:
        """Usually one table; tables that refer to each other in a circle change together or not at all."""
        from pyspark.errors import PySparkException

        wanted = self._fingerprints(group)
        same = [self._same_again(*work, str(wanted[work[0].silver])) for work in group]
        done = [entry for entry in same if entry is not None]
        if len(done) < len(group):
            try:
                done = self._change_group(group, wanted)
            except MidnightError as error:
                done = [self._failed(table, chain[-1], error) for table, chain in group]
            except PySparkException as error:
                raise self._engine_failed(group, error) from error
        self.ledger.append(done)
        for entry in done:
            print(describe(entry), flush=True)
        return done

    def _change_group(self, group: list[Work], wanted: dict[str, Fingerprint]) -> list[LedgerEntry]:
        for table, chain in group:
            check_chain(table, chain)
        members = [table for table, _ in group]
        tables = {t.silver: self._silver_table(t, chain, wanted[t.silver], members) for t, chain in group}
        parents = {name: self._parents(silver.table, tables) for name, silver in tables.items()}
        inside = rows_that_may_be_referenced(self.session, list(tables.values()), parents)
        for name, frames in parents.items():
            frames.update({other: inside[other] for other in referenced_tables(tables[name].table) if other in inside})
        errors: list[QualityGateError] = []
        for name, silver in tables.items():
            try:
                silver.prepare(parents[name], str(wanted[name]))
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
            rewrite_quarantine=table.silver in self._begun,
            masking_key=self.masking_key,
        )
        if table.silver not in self.whole and is_judged_row_by_row(table, group):
            silver.batches, silver.increment = self._what_silver_lacks(silver, before, wanted)
        return silver

    def _what_silver_lacks(
        self, silver: SilverTable, before: Fingerprint | None, wanted: Fingerprint
    ) -> tuple[Chain, bool]:
        """The increments that silver does not have yet, and true; all batches and false where these would not do.

        They do where silver surely is what the ledger says of an earlier batch of the chain, by the same rules.
        """
        last = self._settled.get(silver.table.silver)
        increments = increments_since(silver.batches, last.batch_id) if last else ()
        if not increments or last is None or before is None or (before.key, before.rules) != (wanted.key, wanted.rules):
            return silver.batches, False
        if silver.schema_changed() or silver.rows() != last.silver_after:
            return silver.batches, False
        return increments, True

    def _parents(self, table: Table, group: dict[str, SilverTable]) -> dict[str, DataFrame]:
        outside = [name for name in referenced_tables(table) if name not in group]
        return referenced_frames(self.session, table, outside, self.lakes)

    def _refuse_other_masking(self, due: dict[str, Work]) -> list[LedgerEntry]:
        """Take out of ``due`` what would put pseudonyms of two keys, or pseudonyms and values, into one lake."""
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

    def _fingerprints(self, group: list[Work]) -> dict[str, Fingerprint]:
        names = {table.silver for table, _ in group}
        outside = {name for table, _ in group for name in referenced_tables(table)} - names
        parents = {name: self._fingerprint_of(name) for name in outside}
        return {table.silver: fingerprint(table, group, parents) for table, _ in group}

    def _fingerprint_of(self, name: str) -> str:
        last = self.ledger.last_applied(name)
        if last is None and self.fallback_ledger is not None:
            last = self.fallback_ledger.last_applied(name)
        return last.fingerprint if last else ""

    def _same_again(self, table: Table, chain: Chain, wanted: str) -> LedgerEntry | None:
        """Silver was made from just this already: no row is read. None if not, or if silver has lost or gained rows."""
        last, newest = self._settled.get(table.silver), chain[-1]
        if last is None or last.fingerprint != wanted or (newest.follows and table.silver in self.whole):
            return None
        silver = SilverTable(self.session, self.paths, self.run_id, table, chain)
        if silver.rows() != last.silver_after:
            return None
        changes: dict[str, Any] = {
            "batch_id": newest.batch_id,
            "run_id": self.run_id,
            "attempt_at": datetime.now(UTC),
            "inserted": 0,
            "updated": 0,
            "deleted": 0,
            "unchanged": last.inserted + last.updated + last.unchanged,
            "silver_before": last.silver_after,
        }
        if newest.follows and newest.batch_id != last.batch_id:  # increments without a row
            nothing = dict.fromkeys(("rows_in", "unchanged", "duplicates", "dropped", "quarantined", "warnings"), 0)
            changes |= nothing | {"message": describe_batches(chain[-1:], increment=True)}
        elif last.quarantined:
            silver.quarantine.carry_over(last.batch_id)
        changes["source_warnings"] = source_warnings(table, chain, int(changes.get("duplicates", last.duplicates)))
        return last.model_copy(update=changes).verify()

    def _engine_failed(self, group: list[Work], error: Exception) -> LakeError:
        """What the engine cannot do for one table (disk full, no permission) it cannot do for the next one either."""
        names = ", ".join(table.qualified_name for table, _ in group)
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:500]
        if any(may_quote_masked_values(table) for table, _ in group):
            reason = (
                f"{type(error).__name__}, whose text is not shown since the table has masked columns and an expression "
                "check, whose failure would quote a value; try the expression in a query on the source"
            )
        message = f"{names}: the engine could not finish: {reason}"
        with contextlib.suppress(Exception):  # on a full disk this fails too; the first error is the one to report
            self.ledger.append([self._entry(t, c[-1], status="failed", message=message) for t, c in group])
        return LakeError(
            f"{message}; each table of silver is either as it was or complete: cure the cause, then clear the task"
        )

    def _failed(self, table: Table, manifest: Manifest, error: MidnightError) -> LedgerEntry:
        self.failures[table.silver] = error
        return self._entry(table, manifest, status="failed", rows_in=manifest.rows, message=str(error))

    def _entry(self, table: Table, manifest: Manifest, **values: Any) -> LedgerEntry:
        return LedgerEntry(
            batch_id=manifest.batch_id,
            run_id=self.run_id,
            attempt_at=datetime.now(UTC),
            table=table.silver,
            source_table=table.qualified_name,
            **values,
        )
