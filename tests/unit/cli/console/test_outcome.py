"""The outcome of a run: one JSON document on standard output, everything else on standard error."""

from __future__ import annotations

import json
from unittest.mock import create_autospec

import pytest

from cli.airflow.client import AirflowClient, TaskState
from cli.airflow.services import AirflowServices
from cli.console.outcome import show_outcome
from cli.console.progress import make_console
from cli.exit_codes import ExitCode
from cli.instance.folder import Instance
from midnight.configuration.files import Configuration
from midnight.errors import LedgerError
from midnight.settings import load_settings


@pytest.fixture
def show(tmp_path):
    """Shows how run ``r`` ended, for a configuration without tables."""
    settings = load_settings({"MIDNIGHT_HOME": str(tmp_path)})
    services = create_autospec(AirflowServices, instance=True)
    services.instance, services.url = Instance(tmp_path), "http://127.0.0.1:1"
    client = create_autospec(AirflowClient, instance=True)
    client.tasks.return_value = {"silver": TaskState("silver", "failed", 1.0, 1)}
    configuration = create_autospec(Configuration, instance=True)

    def run(state: str, *tables) -> int:
        configuration.tables = tables
        return show_outcome(
            services,
            client,
            "r",
            state,
            settings=settings,
            configuration=configuration,
            console=make_console(stderr=True),
            as_json=True,
        )

    return run


def test_a_failed_run_names_its_tasks_and_ends_with_1(show, capsys):
    assert show("failed") == ExitCode.PROBLEM
    printed = capsys.readouterr()
    assert json.loads(printed.out) == {
        "run_id": "r",
        "state": "failed",
        "url": "http://127.0.0.1:1/dags/midnight_pipeline/runs/r",
        "failed_tasks": [{"task_id": "silver", "error": "", "log": ""}],
        "ledger": [],
    }
    assert "task silver failed" in printed.err


def test_a_successful_run_is_done(show, capsys):
    assert show("success") == ExitCode.DONE
    printed = capsys.readouterr()
    assert (json.loads(printed.out)["state"], "accounted for" in printed.err) == ("success", True)


def test_a_table_without_a_ledger_entry_is_an_error(show):
    class Flights:
        silver = "flights"

    with pytest.raises(LedgerError, match="flights: the ledger has no entry of this run"):
        show("success", Flights)
