"""The line about silver and the source: only where a table is compared by digests."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from midnight.reconciliation.record import LinkRecord
from midnight.reconciliation.summary import silver_line


def record(link: str, method: str, status: str = "equal") -> LinkRecord:
    values: dict[str, Any] = {"link": link, "table": "flights", "status": status, "method": method}
    return LinkRecord(**values)


def line(method: str, status: str = "equal") -> str:
    batch = SimpleNamespace(read_from=SimpleNamespace(lsn="0/1A2B"), reconciliation=record("source = bronze", method))
    return silver_line([record("bronze = silver", method, status)], {"flights": batch})


def test_tables_that_are_compared_by_digests_are_counted():
    assert line("digests") == "silver = source at LSN 0/1A2B, 1 of 1 tables"
    assert line("digests", "different") == "silver = source at LSN 0/1A2B, 0 of 1 tables"


def test_without_digests_there_is_no_line_that_reads_like_a_failure():
    assert line("counts") == ""
