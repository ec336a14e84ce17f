"""What a person should look at after a run that was published, most urgent first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from midnight.summary.document import CheckSummary, RunSummary

Severity = Literal["bad", "warn"]


@dataclass(frozen=True)
class Item:
    """One thing to look at: a text, and the section of the page that shows it."""

    severity: Severity
    text: str
    section: str

    @property
    def sign(self) -> str:
        return "✗" if self.severity == "bad" else "▲"


def things_to_look_at(summary: RunSummary) -> tuple[Item, ...]:
    """Everything unusual of a run; empty after a run without surprises."""
    items = [
        *_tables(summary),
        *(Item("warn", text, "checks") for text in summary.releases),
        *_failed_checks(summary),
        *_anomalies(summary),
        *_quarantine(summary),
        *_warnings(summary),
        *_views(summary),
        *_cost(summary),
    ]
    return tuple(sorted(items, key=lambda item: item.severity != "bad"))


def change_in_words(check: CheckSummary) -> str:
    """``+0.1 points`` (of a percentage) since the run before; ``=`` without a change, ``new`` without a run before."""
    if not check.failed_before:
        return "new" if check.failed_rows else ""
    if not check.change:
        return "="
    points = 100 * check.change / check.rows if check.rows else 0
    return (
        f"{points:+.1f} points"
        if abs(points) >= 0.05
        else f"{check.change:+,} row{'s' if abs(check.change) != 1 else ''}"
    )


def _tables(summary: RunSummary) -> Iterator[Item]:
    for table in summary.tables:
        entry = table.entry
        if entry.imbalance:
            yield Item("bad", f"rows do not add up: {entry.imbalance}", "tables")
        elif entry.status in ("failed", "stopped"):
            what = "not loaded" if entry.status == "stopped" else "failed"
            yield Item("bad", f"{entry.table} {what}: {entry.message or 'see the log of its task'}", "tables")
        for change in table.schema_changes:
            text = change if change.startswith(entry.table) else f"{entry.table}: {change}"
            yield Item("warn", text, "schema")
        if entry.source_warnings:
            yield Item("warn", f"{entry.table}: {entry.source_warnings}", "tables")


def _failed_checks(summary: RunSummary) -> Iterator[Item]:
    for check in summary.checks:
        if check.on_failure == "fail" and check.failed_rows:
            yield Item("bad", f"{check.table}: {check.failed_rows:,} rows fail “{check.requirement}”", "checks")


def _anomalies(summary: RunSummary) -> Iterator[Item]:
    for anomaly in summary.anomalies:
        yield Item("bad" if anomaly.on_failure == "fail" else "warn", anomaly.message, "tables")


def _quarantine(summary: RunSummary) -> Iterator[Item]:
    for table in summary.tables:
        if new := table.quarantined_new:
            yield Item(
                "warn", f"{new:,} new row{'s' if new > 1 else ''} in quarantine ({table.entry.table})", "quarantine"
            )


def _warnings(summary: RunSummary) -> Iterator[Item]:
    """Only those that increased: a share that has been accepted for weeks is not news."""
    for check in summary.checks:
        if check.on_failure == "warn" and check.change > 0:
            text = f"{check.table}: {check.share:.1%} of rows fail “{check.requirement}” ({change_in_words(check)})"
            yield Item("warn", text, "checks")


def _views(summary: RunSummary) -> Iterator[Item]:
    for name, reason in summary.unreadable_views.items():
        yield Item("warn", f"the view {name} cannot be read: {reason}", "gold")


def _cost(summary: RunSummary) -> Iterator[Item]:
    cost = summary.cost
    if cost and cost.budget and cost.total > cost.budget:
        text = f"the run cost {cost.total:,.2f} {cost.currency}, more than its budget of {cost.budget:,.2f}"
        yield Item("warn", text, "cost")
