"""One row per table: fresh, complete, checked; unusual tables first."""

from __future__ import annotations

from dataclasses import dataclass

from midnight.summary.document import Anomaly, CheckSummary, QuarantineSummary, RunSummary, TableSummary

# How unusual a table is: the sum of these decides its place.
_STOPPED, _FAILED_CHECK, _ANOMALY, _NEW_QUARANTINE, _SCHEMA, _MORE_WARNINGS, _SOURCE = 1000, 500, 200, 100, 50, 20, 10


@dataclass(frozen=True)
class HealthRow:
    """A table with everything that is known of it.

    Args:
        table: of the summary.
        checks: of the table; ``quarantine`` its rules with rows, ``anomalies`` its figures.
        is_current: whether its ledger entry is of this run.
    """

    table: TableSummary
    checks: tuple[CheckSummary, ...]
    quarantine: tuple[QuarantineSummary, ...]
    anomalies: tuple[Anomaly, ...]
    is_current: bool

    @property
    def name(self) -> str:
        return self.table.entry.table

    @property
    def state(self) -> str:
        """Why the table is in trouble, in one or two words; empty if it is not."""
        entry = self.table.entry
        if entry.imbalance:
            return "does not add up"
        return {"failed": "failed", "stopped": "not loaded"}.get(entry.status, "")

    @property
    def quarantined(self) -> int:
        """Rows in quarantine now: a batch with the rows of an earlier one has added none, but they are still out."""
        found = sum(rule.rows for rule in self.quarantine) or self.table.entry.quarantined
        return max(found, self.table.quarantined_new)

    @property
    def passed(self) -> int:
        return sum(not check.failed_rows for check in self.checks)

    @property
    def warnings(self) -> int:
        """Rows with at least one warning."""
        return self.table.entry.warnings

    @property
    def warning_share(self) -> float:
        rows = self.table.entry.silver_after
        return min(1.0, self.warnings / rows) if rows else 0.0

    @property
    def warning_change(self) -> int | None:
        """Failed rows of the ``warn`` checks, compared with the run before; None without one."""
        own = [check for check in self.checks if check.on_failure == "warn" and check.failed_before]
        return sum(check.change for check in own) if own else None

    @property
    def rows(self) -> tuple[int, ...]:
        """Rows of silver after each run, oldest first, this run's last."""
        return (*self.table.rows_before, self.table.entry.silver_after)

    @property
    def urgency(self) -> int:
        """0 for a table without anything unusual."""
        failed = any(check.on_failure == "fail" and check.failed_rows for check in self.checks)
        return (
            _STOPPED * bool(self.state)
            + _FAILED_CHECK * failed
            + _ANOMALY * bool(self.anomalies)
            + _NEW_QUARANTINE * bool(self.table.quarantined_new)
            + _SCHEMA * bool(self.table.schema_changes)
            + _MORE_WARNINGS * ((self.warning_change or 0) > 0)
            + _SOURCE * bool(self.table.entry.source_warnings)
        )


def health_rows(summary: RunSummary) -> tuple[HealthRow, ...]:
    """The rows of all tables: unusual ones first, then by name."""
    checks: dict[str, list[CheckSummary]] = {}
    for check in summary.checks:
        if check.layer == "silver":
            checks.setdefault(check.table, []).append(check)
    rules: dict[str, list[QuarantineSummary]] = {}
    for rule in summary.quarantine:
        rules.setdefault(rule.table, []).append(rule)
    anomalies: dict[str, list[Anomaly]] = {}
    for anomaly in summary.anomalies:
        anomalies.setdefault(anomaly.table, []).append(anomaly)
    rows = [
        HealthRow(
            table,
            tuple(checks.get(table.entry.table, ())),
            tuple(rules.get(table.entry.table, ())),
            tuple(anomalies.get(table.entry.table, ())),
            table.entry.run_id == summary.figures.run_id,
        )
        for table in summary.tables
    ]
    return tuple(sorted(rows, key=lambda row: (-row.urgency, row.name)))


def sorted_checks(checks: tuple[CheckSummary, ...]) -> tuple[CheckSummary, ...]:
    """Failed checks first, by severity and number of rows."""
    order = ("fail", "quarantine", "warn")
    failed = [check for check in checks if check.failed_rows]
    return tuple(sorted(failed, key=lambda c: (order.index(c.on_failure), -c.failed_rows, c.table, c.name)))
