"""What the source's log has to say to people: it grows, or a slot or a transaction holds it."""

from __future__ import annotations

from midnight.alerts.from_ledger import Notice
from midnight.configuration.alerts import Alerts
from midnight.postgres_to_bronze.source_log import SourceLog

GIGABYTE = 1024**3


def source_notices(log: SourceLog, settings: Alerts) -> list[Notice]:
    """What is above the limits, with the statement that helps; empty where nothing is.

    Args:
        log: what the role can see.
        settings: the limits.
    """
    return [Notice("source_log", "", text) for text in (*_size(log, settings), *_transactions(log, settings))]


def _size(log: SourceLog, settings: Alerts) -> list[str]:
    limit = settings.source_log_gb
    if limit is None:
        return []
    texts = [
        f"replication slot {slot.name!r} ({'active' if slot.active else 'not active'}) keeps "
        f"{slot.retained_bytes / GIGABYTE:.1f} GB of write-ahead log (the limit is {limit:g}); hint: start its "
        f"consumer, or, when nothing needs it: SELECT pg_drop_replication_slot('{slot.name}')"
        for slot in log.slots
        if slot.retained_bytes > limit * GIGABYTE
    ]
    if not texts and log.log_bytes is not None and log.log_bytes > limit * GIGABYTE:
        texts.append(
            f"the write-ahead log has {log.log_bytes / GIGABYTE:.1f} GB (the limit is {limit:g}), and no slot keeps "
            "it; hint: look at archive_command (pg_stat_archiver), wal_keep_size and max_wal_size"
        )
    return texts


def _transactions(log: SourceLog, settings: Alerts) -> list[str]:
    limit = settings.source_transaction_hours
    if limit is None:
        return []
    return [
        f"{f'prepared transaction {t.name!r}' if t.is_prepared else t.name} has been open for {t.hours:.0f} h (the "
        f"limit is {limit:g}), and no row that was deleted since can be removed; hint: "
        + (
            f"ROLLBACK PREPARED '{t.name}' or COMMIT PREPARED"
            if t.is_prepared
            else f"end it, or SELECT pg_terminate_backend({t.name.split()[1]})"
        )
        for t in log.transactions
        if t.hours > limit
    ]
