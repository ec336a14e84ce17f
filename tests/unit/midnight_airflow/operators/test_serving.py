"""Publishing and the report as tasks of the local profile; tests/integration/azure has Synapse."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from airflow.sdk import BaseOperator
from airflow.sdk.execution_time.context import OutletEventAccessors
from deltalake import write_deltalake

from midnight.bronze.stopped_tables import StoppedTable
from midnight.errors import NON_RETRYABLE_ERRORS, ExpectationError, ServingError, StoppedTablesError
from midnight.lake.files import open_local_lake
from midnight.lake.ledger import LedgerEntry
from midnight.report.run_history import CHECK_TASK_ID
from midnight.run.document import RunDocument
from midnight.settings import load_settings
from midnight.silver_to_gold.builds import read_builds
from midnight.summary.storage import write_summary
from midnight_airflow.assets import GOLD_ALIAS, SILVER_ALIAS, emit_silver_events
from midnight_airflow.failure_callback import mark_report_failed
from midnight_airflow.notices import alert_notices
from midnight_airflow.operators.check_stopped_tables import CheckStoppedTablesOperator
from midnight_airflow.operators.publish_views import PublishViewsOperator
from midnight_airflow.operators.refresh_report import RefreshReportOperator
from midnight_airflow.run_context import batch_id
from tests.support import expectations_backtest as backtest
from tests.support import summaries as given
from tests.support.alert_sinks import web_sink
from tests.support.html_page import Page
from tests.unit.conftest import SmallLake, sale
from tests.unit.midnight_airflow.conftest import DagRun


@pytest.fixture
def small_lake(local_home, monkeypatch):
    (local_home / "include" / "tables").mkdir(parents=True)
    (local_home / "include" / "pipeline.yml").write_text("source: {name: shop}\n")
    (local_home / "include" / "tables" / "public.sales.yml").write_text(
        "{schema: public, table: sales, silver: sales, key: [id], columns: [{name: id, type: integer}]}\n"
    )
    monkeypatch.setenv("MIDNIGHT_CONFIG", str(local_home / "include"))
    return SmallLake(local_home)


def test_views_and_report_of_a_run(small_lake, dag_run):
    publish = PublishViewsOperator(task_id="gold_to_serving")
    report = RefreshReportOperator(task_id="refresh_report")
    context = dag_run.try_task(publish)
    build = small_lake.build(batch_id(context), [sale(1), sale(2)])
    published = publish.execute(context)
    assert published["build_id"] == build.build_id
    assert published["views"] == {"gold.dim_shop": 2, "gold.fact_sale": 2}
    assert published["published_by"] == dag_run.run_id
    page = report.execute(dag_run.try_task(report))
    assert page == str(small_lake.home / "report" / "index.html")
    text = (small_lake.home / "report" / "index.html").read_text()
    assert build.build_id in text
    assert 'href="http://127.0.0.1:8080/dags/midnight_pipeline"' in text
    write_summary(open_local_lake(), small_lake.paths, given.eventful())
    report.execute(dag_run.try_task(report))
    text = (small_lake.home / "report" / "index.html").read_text()
    assert "1 new row in quarantine (airports)" in text
    assert 'href="report.html"' not in text, "there is no report.yml"


def test_an_unexpected_figure_stops_the_publication_and_is_alerted(small_lake, dag_run, monkeypatch):
    """Before the build is looked for: here is none, which is the error of a run that ignores its figures."""
    config = small_lake.home / "include"
    hook = "{kind: webhook, connection: webhook_channel, events: [anomaly]}"
    (config / "pipeline.yml").write_text(f"source: {{name: shop}}\nalerts: {{channels: [{hook}]}}\n")
    (config / "tables").mkdir(exist_ok=True)
    columns = "columns: [{name: id, type: integer}]\nexpectations: {rules: [{figure: rows, drop_percent: 20}]}\n"
    (config / "tables" / "public.t.yml").write_text(f"schema: public\ntable: t\nsilver: t\n{columns}")
    publish = PublishViewsOperator(task_id="serve.gold_to_serving")
    context = dag_run.try_task(publish)
    rows = backtest.ledger({"t": backtest.simulate(backtest.GROUPS[0], 1)[:2]}).to_pylist()
    rows[1] |= {"run_id": dag_run.run_id, "batch_id": batch_id(context), "silver_after": 700}
    rows[1] |= {"attempt_at": rows[0]["attempt_at"] + timedelta(hours=1)}
    settings = load_settings()
    write_deltalake(settings.paths.ledger, pa.Table.from_pylist([row | {"source_table": "public.t"} for row in rows]))
    plan = RunDocument(batch_id=batch_id(context), run_id=dag_run.run_id, lake=settings.paths.as_dict(), tables=())
    open_local_lake().write_text(settings.paths.run_document(plan.batch_id), plan.to_json())
    with pytest.raises(ExpectationError, match=r"(?s)t: rows is 700, expected at least .*publish_unexpected"):
        publish.execute(context)
    publish.publish_unexpected = "True"
    with pytest.raises(ServingError, match="has no complete build"):
        publish.execute(context)
    with web_sink() as sink:
        monkeypatch.setenv("AIRFLOW_CONN_WEBHOOK_CHANNEL", json.dumps({"conn_type": "http", "host": sink.url}))
        alert_notices(context)
    ((_, alert),) = sink.posts
    assert (alert["event"], alert["headline"]) == ("anomaly", "shop: figures are not as expected")
    assert alert["cause"].startswith("t: rows is 700, expected at least")
    assert alert["cause"].endswith("; the run is not published")


def test_an_event_for_each_published_model_that_readers_had_not_seen(small_lake, dag_run):
    publish = PublishViewsOperator(task_id="gold_to_serving", outlets=[GOLD_ALIAS])

    def events(run: DagRun, *sales: dict) -> dict[str, dict]:
        context = run.try_task(publish) | {"outlet_events": OutletEventAccessors()}
        if sales:
            small_lake.build(batch_id(context), list(sales))
        publish.execute(context)
        found = context["outlet_events"][GOLD_ALIAS].asset_alias_events
        return {event.dest_asset_key.uri: event.extra for event in found}

    first = events(dag_run, sale(1), sale(2))
    assert list(first) == ["midnight://shop/gold/dim_shop", "midnight://shop/gold/fact_sale"]
    fact = first["midnight://shop/gold/fact_sale"]
    assert (fact["rows"], fact["run_id"]) == (2, dag_run.run_id)
    assert fact["build_id"].startswith(fact["batch_id"])
    assert fact["link"] == f"http://127.0.0.1:8080/dags/midnight_pipeline/runs/{dag_run.run_id}"
    assert events(dag_run) == first, "the events of a try that failed after publishing are lost"
    second = DagRun("second")
    assert list(events(second, sale(1))) == list(first)
    build = read_builds(small_lake.paths.gold_builds)[-1]
    third = DagRun("third")
    batch = batch_id(third.try_task(publish))
    same = {"build_id": f"{batch}-9", "batch_id": batch, "completed_at": build.completed_at + timedelta(hours=1)}
    small_lake.record(build.model_copy(update=same))
    assert events(third) == {}, "a build that refers to the folders of the earlier one has the same rows"


def test_an_event_for_each_silver_table_that_a_run_has_changed(small_lake, dag_run):
    task = BaseOperator(task_id="bronze_to_silver", outlets=[SILVER_ALIAS])
    context = dag_run.try_task(task) | {"outlet_events": OutletEventAccessors()}
    at = datetime(2026, 1, 2, tzinfo=UTC)

    def entry(table: str, status: str, changed: str, minute: int) -> LedgerEntry:
        fields = {"batch_id": "b", "run_id": "r", "source_table": table, "silver_after": 5, "inserted": 2}
        fields |= {"table": table, "status": status, "changed": changed, "attempt_at": at + timedelta(minutes=minute)}
        return LedgerEntry.model_validate(fields)

    entries = [
        entry("sales", "applied", "rows", 1),
        entry("sales", "skipped", "everything", 2),  # another try found nothing to do
        entry("shops", "applied", "nothing", 1),
        entry("staff", "failed", "everything", 1),
    ]
    emit_silver_events(context, load_settings(), entries)
    [event] = context["outlet_events"][SILVER_ALIAS].asset_alias_events
    assert (event.dest_asset_key.name, event.dest_asset_key.uri) == (
        "shop/silver/sales",
        "midnight://shop/silver/sales",
    )
    assert event.extra["rows"] == 5


def test_a_run_that_changes_many_tables_warns_of_a_timeout_that_would_fail_its_task(
    small_lake, dag_run, monkeypatch, caplog
):
    task = BaseOperator(task_id="bronze_to_silver", outlets=[SILVER_ALIAS])
    context = dag_run.try_task(task) | {"outlet_events": OutletEventAccessors()}
    fields = {"batch_id": "b", "run_id": "r", "status": "applied", "changed": "rows", "silver_after": 5}
    at = datetime(2026, 1, 2, tzinfo=UTC)
    names = [f"table_{number}" for number in range(1000)]
    entries = [LedgerEntry(table=name, source_table=name, attempt_at=at, **fields) for name in names]
    for seconds, warnings in (("300", 0), ("5", 1)):
        monkeypatch.setenv("AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT", seconds)
        emit_silver_events(context, load_settings(), entries)
        assert caplog.text.count("AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT=300") == warnings
    assert len(context["outlet_events"][SILVER_ALIAS].asset_alias_events) == 2000


def test_a_failed_task_is_shown_on_the_page(small_lake, dag_run):
    publish = PublishViewsOperator(task_id="serve.gold_to_serving")
    context = dag_run.try_task(publish)
    page = small_lake.home / "report" / "index.html"
    try:
        publish.execute(context)
    except ServingError as error:
        mark_report_failed(context | {"exception": error})
    words = " ".join(Page(page.read_text()).words.split())
    assert "✗ Not published. Batch '" in words
    assert "Do: Read the log of the task silver_to_gold, fix the cause and clear that task, or start a run." in words
    assert "serve.gold_to_serving · Log · try 1 of 1, will not retry" in words
    assert "midnight airflow dags trigger midnight_pipeline Copy command" in words
    assert f"{dag_run.run_id}/tasks/serve.gold_to_serving?try_number=1" in page.read_text()


def test_a_stopped_table_fails_the_run_after_all_else_is_published(small_lake, dag_run):
    check = CheckStoppedTablesOperator(task_id=CHECK_TASK_ID)
    context = dag_run.try_task(check)
    check.execute(context)  # a run without a plan has nothing to list
    settings, lake = load_settings(), open_local_lake()
    path = settings.paths.run_document(batch_id(context))
    plan = RunDocument(batch_id=batch_id(context), run_id="r", lake=settings.paths.as_dict(), tables=())
    lake.write_text(path, plan.to_json())
    check.execute(context)
    stopped = (
        StoppedTable(table="public.a", silver="a", problems=("public.a has no column 'x'", "and one more")),
        StoppedTable(table="public.b", silver="b", references=("public.a",)),
    )
    lake.write_text(path, plan.model_copy(update={"stopped": stopped}).to_json())
    with pytest.raises(StoppedTablesError) as caught:
        check.execute(context)
    assert str(caught.value).splitlines()[1:] == [
        "  public.a has no column 'x'; and one more",
        "  public.b references public.a, which is stopped",
    ]
    assert isinstance(caught.value, NON_RETRYABLE_ERRORS)
    page = small_lake.home / "report" / "index.html"
    mark_report_failed(context | {"exception": caught.value})
    words = " ".join(Page(page.read_text()).words.split())
    assert "All else is published. These tables, and what depends on them, have their rows of an earlier run." in words
    assert "public.b references public.a, which is stopped" in words


def test_a_run_without_gold_fails(small_lake, dag_run):
    publish = PublishViewsOperator(task_id="gold_to_serving")
    with pytest.raises(ServingError, match="has no complete build of gold"):
        publish.execute(dag_run.try_task(publish))
