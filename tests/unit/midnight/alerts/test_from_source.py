"""What is reported of the source's write-ahead log and of its transactions."""

from __future__ import annotations

from typing import Any

from midnight.alerts.from_source import GIGABYTE, source_notices
from midnight.configuration.alerts import Alerts
from midnight.postgres_to_bronze.source_log import OpenTransaction, ReplicationSlot, SourceLog


def found(log: SourceLog, **settings: Any) -> list[str]:
    return [notice.text for notice in source_notices(log, Alerts(**settings))]


def test_a_slot_above_the_limit_is_named_with_the_statement_that_helps():
    log = SourceLog(50 * GIGABYTE, (ReplicationSlot("old_replica", False, 40 * GIGABYTE),), ())
    (text,) = found(log)
    assert text.startswith(
        "replication slot 'old_replica' (not active) keeps 40.0 GB of write-ahead log (the limit is 10)"
    )
    assert "pg_drop_replication_slot('old_replica')" in text
    assert found(log, source_log_gb=41) == [
        "the write-ahead log has 50.0 GB (the limit is 41), and no slot keeps it; hint: look at archive_command "
        "(pg_stat_archiver), wal_keep_size and max_wal_size"
    ]
    assert found(log, source_log_gb=None) == []


def test_a_log_that_cannot_be_seen_is_not_reported_as_small_or_large():
    assert found(SourceLog(None, (), ())) == []


def test_old_transactions_are_named():
    log = SourceLog(
        None,
        (),
        (OpenTransaction("gid 1", 30.4, True), OpenTransaction("process 77 of role midnight_reader", 25, False)),
    )
    first, second = found(log)
    assert first.startswith("prepared transaction 'gid 1' has been open for 30 h (the limit is 24)")
    assert "ROLLBACK PREPARED 'gid 1'" in first
    assert second.startswith("process 77 of role midnight_reader has been open for 25 h")
    assert "pg_terminate_backend(77)" in second
    assert found(log, source_transaction_hours=31) == []
