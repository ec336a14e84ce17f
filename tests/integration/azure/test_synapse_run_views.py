"""The views of the schema ``midnight`` on Synapse: what each run did, for readers and Power BI."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from midnight.errors import ServingError
from midnight.gold_to_serving.publication import read_publication
from midnight.report.attention import things_to_look_at
from midnight.summary.storage import read_newest_summary
from midnight_airflow import run_summary
from midnight_airflow.operators.publish_views import PublishViewsOperator
from tests.fakes.synapse_workspace import POWER_BI, READER, Workspace
from tests.integration.azure.conftest import Publish
from tests.support.ledger_entries import entry
from tests.unit.conftest import SmallLake, sale
from tests.unit.midnight_airflow.conftest import DagRun


@pytest.fixture
def applied(small_lake: SmallLake, batch: str, run: DagRun) -> None:
    """A table that the run has applied: its ledger entry and its configuration."""
    lake = small_lake
    lake.ledger(entry("sales", batch, run_id=run.run_id, quarantined=1, rows_in=6, failed_checks="{}"))
    (lake.configuration / "tables").mkdir(parents=True)
    (lake.configuration / "pipeline.yml").write_text("source: {name: shop}\n")
    table = "schema: public\ntable: sales\nsilver: sales\nkey: [id]\ncolumns: [{name: id, type: integer}]\n"
    (lake.configuration / "tables" / "public.sales.yml").write_text(table)


@pytest.mark.usefixtures("applied")
def test_readers_and_power_bi_see_what_each_run_did(
    publish: Publish, batch: str, ready_workspace: Workspace, small_lake: SmallLake, run: DagRun
):
    small_lake.build(batch, [sale(1)])
    published = publish()
    for who in (READER, POWER_BI):
        runs = "SELECT run_id, state, build_id, quarantined FROM midnight.runs"
        assert ready_workspace.rows(runs, who) == [(run.run_id, "published", published["build_id"], 1)]
        assert ready_workspace.rows("SELECT [table], rows_in FROM midnight.ledger", who) == [("sales", 6)]
        checks = ready_workspace.rows("SELECT [table], [check] FROM midnight.checks ORDER BY [table]", who)
        assert checks == [("dim_shop", "key"), ("fact_sale", "key")]
        for view in ("quarantine_counts", "batches"):  # files without rows
            assert ready_workspace.rows(f"SELECT run_id FROM midnight.{view}", who) == []
    again = run.try_task(PublishViewsOperator(task_id="gold_to_serving"))
    run_summary.summarise_failure(again | {"exception": ServingError("the report")})
    assert ready_workspace.rows("SELECT state FROM midnight.runs") == [("failed",)], "without a publication"


@pytest.mark.usefixtures("applied")
def test_a_view_of_the_runs_that_cannot_be_read_takes_nothing_back(
    publish: Publish,
    batch: str,
    ready_workspace: Workspace,
    small_lake: SmallLake,
    caplog: pytest.LogCaptureFixture,
):
    small_lake.build(batch, [sale(1)])
    assert publish()["unreadable"] == {}
    wrong = pa.table({"run_id": ["r"], "rows_in": ["many"]})  # what another program wrote there
    pq.write_table(wrong, small_lake.paths.run_rows("ledger", "B0"))
    small_lake.build(batch, [sale(1), sale(2)])
    (reason,) = publish()["unreadable"].values()
    assert "Conversion failed" in reason
    message = f"the view midnight.ledger cannot be read: {reason}"
    assert ready_workspace.rows("SELECT SUM(pieces) AS pieces FROM gold.fact_sale") == [(3,)]
    assert ready_workspace.rows("SELECT state FROM midnight.runs") == [("published",)]
    record = read_publication(small_lake.paths, small_lake.files)
    assert record.unreadable == {"midnight.ledger": reason}
    assert f"{message}; all other views are published" in [record.getMessage() for record in caplog.records]
    summary = read_newest_summary(small_lake.files, small_lake.paths)
    assert message in [item.text for item in things_to_look_at(summary)]
