"""What `midnight status` says of the newest run: its own rows only, in the words of the page."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from cli.console.run_state import print_run_state, read_run_state, state_document
from midnight.bronze.batch_id import make_batch_id
from midnight.gold_to_serving.publication import Publication, record_publication
from midnight.lake.files import open_local_lake
from midnight.lake.ledger import LedgerEntry
from midnight.settings import Settings, load_settings
from midnight.summary.document import (
    CheckSummary,
    QuarantineExample,
    QuarantineSummary,
    RunFigures,
    RunSummary,
    TableSummary,
)
from midnight.summary.storage import write_summary

LON = "lon is at most 180"
FIRST = datetime(2026, 11, 29, 5, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings({"MIDNIGHT_HOME": str(tmp_path)})


def run(number: int, state: str) -> dict[str, Any]:
    """A run as Airflow's API returns it."""
    due = (FIRST + timedelta(days=number)).isoformat()
    return {"dag_run_id": f"scheduled__{number}", "state": state, "logical_date": due, "run_after": due}


def write(settings: Settings, number: int, state: str, rows_of: int) -> None:
    """The summary of a run; its ledger entry is of the run ``rows_of``."""
    found = run(number, state)
    due = FIRST + timedelta(days=number)
    figures = {"run_id": found["dag_run_id"], "batch_id": make_batch_id(due, found["dag_run_id"]), "due": due}
    names = {"table": "flights", "source_table": "public.flights", "run_id": f"scheduled__{rows_of}"}
    entry = LedgerEntry(
        batch_id="b", attempt_at=due, status="applied", rows_in=1000, inserted=990, quarantined=10, **names
    )
    check = {"layer": "silver", "table": "flights", "rows": 1000}
    summary = RunSummary(
        figures=RunFigures.model_validate(figures | {"state": state}),
        written_at=due,
        pipeline="shop",
        timezone="America/New_York",
        data_up_to=FIRST,
        tables=(TableSummary(entry=entry),),
        checks=(
            CheckSummary(
                name="tail",
                requirement="tail is not null",
                on_failure="warn",
                failed_rows=150,
                failed_before=(140,),
                **check,
            ),
            CheckSummary(
                name="lon", requirement="lon is at most 180", on_failure="quarantine", failed_rows=10, **check
            ),
            CheckSummary(name="fine", requirement="all is well", on_failure="warn", failed_rows=0, **check),
        ),
        quarantine=(
            QuarantineSummary(
                table="flights",
                rule="lon",
                requirement=LON,
                rows=10,
                new_rows=1,
                since=FIRST,
                examples=(QuarantineExample(key="id=7", column="lon", value="999", is_new=True),),
            ),
        ),
        proof=("bronze = source, 1 of 1 tables",),
    )
    write_summary(open_local_lake(), settings.paths, summary)


def publish(settings: Settings, number: int) -> None:
    publication = Publication(
        build_id="B",
        batch_id="b",
        run_id=f"scheduled__{number}",
        published_at=FIRST + timedelta(minutes=4),
        published_by=f"scheduled__{number}",
        engine="duckdb",
        location="x",
        views={},
    )
    record_publication(settings.paths, open_local_lake(), publication)


def shown(settings: Settings, finished: dict[str, Any] | None, capsys: pytest.CaptureFixture[str]) -> str:
    print_run_state(Console(width=120, highlight=False), read_run_state(settings, finished))
    return capsys.readouterr().out


def test_the_newest_run_and_what_readers_have(settings, capsys):
    write(settings, 0, "published", rows_of=0)
    publish(settings, 0)
    text = shown(settings, run(0, "success"), capsys)
    assert "Readers have data up to Sun 29 Nov 2026, 00:00" in text
    assert "published Sun 29 Nov 2026, 00:04 America/New_York" in text
    assert "What run scheduled__0 did, in rows" in text
    assert "inserted" in text
    assert (
        "! silver.flights: 150 of 1,000 rows (15 %, +10 since the run before) fail the check tail (warning): "
        "tail is not null"
    ) in text
    assert (
        "▲ quarantine of flights: 10 rows, 1 of them new since 29 Nov 2026: lon is at most 180; "
        "for example id=7: lon = 999"
    ) in text
    assert "all is well" not in text
    assert "bronze = source, 1 of 1 tables" in text


def test_the_rows_of_an_older_run_are_not_shown_as_those_of_a_failed_one(settings, capsys):
    write(settings, 0, "published", rows_of=0)
    publish(settings, 0)
    write(settings, 1, "failed", rows_of=0)
    text = shown(settings, run(1, "failed"), capsys)
    assert "Run scheduled__1: silver is unchanged" in text
    assert "in rows" not in text
    document = state_document(read_run_state(settings, run(1, "failed")))
    assert document["ledger"] == []
    assert document["run"]["run_id"] == "scheduled__1"
    assert document["readers"]["published_by"] == "scheduled__0"
    assert [(check["name"], check["change"]) for check in document["failed_checks"]] == [("tail", 10)]
    assert document["quarantine"][0]["new_rows"] == 1
    text = shown(settings, run(2, "failed"), capsys)
    assert "Run scheduled__2: it has no summary" in text
    assert "What run scheduled__0 did" in shown(settings, run(0, "success"), capsys)
    assert "Run scheduled__1" in shown(settings, None, capsys), "Airflow does not run"


def test_before_the_first_run(settings, capsys):
    assert shown(settings, None, capsys) == "Readers have nothing yet: no run has published\n"
