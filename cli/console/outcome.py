"""The outcome of a run: for people, or as one JSON document for a script."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from cli.airflow.client import DAG_ID, AirflowClient
from cli.airflow.services import AirflowServices
from cli.airflow.settings import ADMIN
from cli.console.failures import failed_tasks, print_failures
from cli.console.summary import check_ledger, print_addresses, print_ledger, print_view
from midnight.configuration.files import Configuration
from midnight.lake.ledger import LedgerEntry, latest_entries, read_ledger
from midnight.report.run_history import CHECK_TASK_ID
from midnight.settings import Settings

# What a script reads of a ledger entry.
_LEDGER_FIELDS = {
    "table",
    "source_table",
    "status",
    "rows_in",
    "inserted",
    "updated",
    "unchanged",
    "deleted",
    "duplicates",
    "dropped",
    "quarantined",
    "released",
    "obsolete",
    "marked",
    "warnings",
    "unrepresentable",
    "silver_after",
    "message",
    "schema_changes",
    "source_warnings",
}


def show_outcome(
    services: AirflowServices,
    client: AirflowClient,
    run_id: str,
    state: str,
    *,
    settings: Settings,
    configuration: Configuration,
    console: Console,
    as_json: bool,
) -> int:
    """Show how a run ended and what it did.

    Args:
        services: that ran it.
        client: of the same Airflow.
        run_id: the run.
        state: ``success`` or ``failed``.
        settings: of the instance.
        configuration: whose tables must be in the ledger.
        console: for people.
        as_json: print one JSON document to standard output instead.

    Returns:
        0 when the run succeeded, else 1.

    Raises:
        LedgerError: the run succeeded, and the row ledger does not add up.
    """
    failures = failed_tasks(client, run_id, services.instance.logs / "tasks") if state != "success" else []
    local = settings.profile == "local"
    entries = latest_entries(read_ledger(settings.paths.ledger), run_id) if local else []
    stopped = [entry for entry in entries if entry.status == "stopped"]
    if as_json:
        document = {
            "run_id": run_id,
            "state": state,
            "url": f"{services.url}/dags/{DAG_ID}/runs/{run_id}",
            "failed_tasks": [failure._asdict() for failure in failures],
            "ledger": ledger_rows(entries),
        }
        print(json.dumps(document, indent=1, ensure_ascii=False, default=str))
    if state != "success":
        if [failure.task_id for failure in failures] == [CHECK_TASK_ID] and not as_json:
            console.print()
            print_ledger(console, [entry for entry in entries if entry not in stopped])
        elif stopped:  # the task that lists them did not run
            print_stopped(console, stopped)
        print_failures(console, run_id, failures)
        return 1
    if local:
        if entries and not as_json:
            console.print()
            print_ledger(console, entries)
        check_ledger(entries, [table.silver for table in configuration.tables])
        console.print(Text.assemble(("✓ ", "green"), "every row of every table is accounted for"))
        if settings.serving_database.exists() and not as_json:
            console.print()
            print_view(console, settings.serving_database)
    if not as_json:
        console.print()
        print_addresses(console, settings, services.instance, url=services.url, user=ADMIN)
    return 0


def print_stopped(console: Console, entries: Sequence[LedgerEntry]) -> None:
    """Print the tables that a run did not load, and why."""
    for entry in entries:
        console.print(Text.assemble(("✗ ", "red"), f"not loaded: {entry.message}"), soft_wrap=True)


def ledger_rows(entries: Sequence[LedgerEntry]) -> list[dict[str, Any]]:
    """Ledger entries for a script."""
    return [entry.model_dump(mode="json", include=_LEDGER_FIELDS) for entry in entries]
