"""The row counts of a run, for its log and Airflow's XCom tab: the silver task pushes the ledger's totals."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from midnight.errors import MidnightError
from midnight.lake.ledger import latest_entries, read_ledger, total_rows
from midnight.settings import Settings
from midnight_airflow.assets import emit_silver_events
from midnight_airflow.hooks.lake import open_lake

if TYPE_CHECKING:
    from airflow.sdk import Context

# XCom of the silver task: the ledger's row counts, summed over all tables.
ROW_TOTALS_KEY = "row_totals"

_log = logging.getLogger(__name__)


def push_run_totals(context: Context, settings: Settings) -> None:
    """Push the run's row counts as an XCom, and emit the events of the tables that have changed.

    An unreadable ledger is logged; it does not fail the task.
    """
    try:
        entries = read_ledger(settings.paths.ledger, open_lake(settings).storage_options, str(context["run_id"]))
    except MidnightError as error:
        _log.warning("The row counts of this run will be missing in Airflow: %s", error)
        return
    instance: Any = context["ti"]
    rows = total_rows(latest_entries(entries))
    instance.xcom_push(key=ROW_TOTALS_KEY, value=rows)
    emit_silver_events(context, settings, entries)
    _log.info("Rows of all tables: %s", ", ".join(f"{name} {count:,}" for name, count in rows.items()))
