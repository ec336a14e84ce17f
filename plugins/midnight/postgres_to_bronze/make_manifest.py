"""The manifest of a table that was read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from midnight.bronze.late_commits import long_transaction_warning
from midnight.bronze.manifest import KeyList, Manifest, ReadFrom
from midnight.bronze.unrepresentable import replaced_warnings
from midnight.postgres_to_bronze.group_plans import source_place
from midnight.postgres_to_bronze.key_guarantee import key_warning, spelling_warning
from midnight.postgres_to_bronze.match_columns import relation_of
from midnight.postgres_to_bronze.range_copy import TableProgress
from midnight.postgres_to_bronze.snapshot import ExportedSnapshot
from midnight.postgres_to_bronze.source_address import SourceAddress
from midnight.reconciliation.record import LinkRecord


@dataclass(frozen=True)
class ReadTable:
    """A table that was read, with what was found about it.

    Args:
        progress: its files.
        keys: the list of its keys, if the batch has one.
        record: of the comparison with the source.
    """

    progress: TableProgress
    keys: KeyList | None
    record: LinkRecord


@dataclass(frozen=True)
class BatchFacts:
    """What the manifests of a load group share.

    Args:
        source: name of the source.
        batch_id: of the batch.
        run_id: of Airflow.
        address: of the source.
        snapshot: in which the tables were read.
        started_at: when the read began.
    """

    source: str
    batch_id: str
    run_id: str
    address: SourceAddress
    snapshot: ExportedSnapshot
    started_at: datetime


def make_manifest(facts: BatchFacts, table: ReadTable) -> Manifest:
    """The manifest that seals a table's files."""
    progress, plan, server = table.progress, table.progress.plan, facts.snapshot.server
    replaced = progress.parser.replaced.found
    warnings = (
        key_warning(plan.table, plan.catalogue),
        spelling_warning(plan.table, plan.catalogue),
        plan.reading.cursor_warning(progress.extremes),
        long_transaction_warning(plan.table, plan.reading.horizon),
        *replaced_warnings(plan.table, replaced),
        *plan.warnings,
    )
    return Manifest(
        source=facts.source,
        schema_name=plan.table.schema_name,
        table=plan.table.table,
        batch_id=facts.batch_id,
        mode=plan.reading.mode,
        cursor=plan.reading.cursor_range(progress.extremes),
        columns=tuple(column.bronze for column in plan.columns),
        rows=progress.rows,
        files=progress.ordered_files,
        keys=table.keys,
        read_from=ReadFrom(
            server=source_place(facts.address, server)[0],
            server_version=server.version,
            database=server.database,
            snapshot=facts.snapshot.identifier,
            lsn=server.lsn,
        ),
        horizon=plan.reading.horizon,
        written_by="operator",
        run_id=facts.run_id,
        started_at=facts.started_at,
        sealed_at=datetime.now(UTC),
        warnings=tuple(text for text in warnings if text),
        reconciliation=table.record,
        unrepresentable=replaced,
        relation=relation_of(plan.catalogue),
        schema_changes=tuple(change.text for change in plan.changes),
        dropped=plan.dropped,
    )
