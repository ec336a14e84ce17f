"""Summaries of runs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from midnight.summary.document import (
    BronzeBatch,
    CheckSummary,
    QuarantineExample,
    QuarantineSummary,
    RunFigures,
    RunSummary,
    TableSummary,
)
from tests.support.ledger_entries import START, entry


def summary(number: int, state: str = "published") -> RunSummary:
    """The summary of a run: one table with a row in quarantine, and an entry of another run."""
    run_id, batch = f"run {number}", f"B{number}"
    figures = {"run_id": run_id, "batch_id": batch, "due": START + timedelta(days=number), "state": state}
    read = BronzeBatch(
        batch_id=batch,
        read_at=START,
        sealed_at=START,
        mode="snapshot",
        rows=5,
        files=1,
        bytes=9,
        written_by="operator",
        server="shop",
    )
    ours = entry("sales", batch, run_id=run_id, quarantined=1, rows_in=6)
    of_others = entry("customers", "B0", run_id="run 0")
    lon: dict[str, Any] = {"table": "sales", "requirement": "lon is at most 180", "owner": "maps"}
    return RunSummary(
        figures=RunFigures.model_validate(figures | {"quarantined": 1}),
        written_at=START,
        pipeline="shop",
        timezone="UTC",
        data_up_to=START,
        tables=(TableSummary(entry=ours, batch=read, quarantined_new=1), TableSummary(entry=of_others)),
        checks=(CheckSummary(layer="silver", name="lon", on_failure="quarantine", rows=6, failed_rows=1, **lon),),
        quarantine=(
            QuarantineSummary(rule="lon", rows=1, new_rows=1, examples=(QuarantineExample(key="id=1"),), **lon),
        ),
    )
