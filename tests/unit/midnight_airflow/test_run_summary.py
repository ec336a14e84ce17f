"""When the summary of a run is written, by a context like that of Airflow's task runner."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from midnight.bronze.stopped_tables import StoppedTable
from midnight.errors import QualityGateError, ServingError, StoppedTablesError
from midnight.lake.files import open_local_lake
from midnight.run.document import RunDocument
from midnight.settings import load_settings
from midnight.summary.document import RunSummary
from midnight.summary.storage import read_newest_summary
from midnight_airflow.operators.publish_views import PublishViewsOperator
from midnight_airflow.run_context import batch_id
from midnight_airflow.run_summary import complete_summary, summarise_failure, summarise_skip, summarise_timeout
from tests.unit.conftest import SmallLake, sale

BREADCRUMBS = [
    {"task_id": "ingest.postgres_to_bronze_main", "duration": 9.04, "state": "success"},
    {"task_id": "ingest.postgres_to_bronze_more", "duration": 4.0, "state": "success"},
    {"task_id": "silver.bronze_to_silver", "duration": 17.0, "state": "success"},
    {"task_id": "check_stopped_tables", "duration": 1.0, "state": "success"},
]


@pytest.fixture
def small_lake(local_home, monkeypatch):
    (local_home / "include").mkdir()
    (local_home / "include" / "pipeline.yml").write_text("source: {name: shop}\nschedule: {timezone: Europe/Oslo}\n")
    monkeypatch.setenv("MIDNIGHT_CONFIG", str(local_home / "include"))
    return SmallLake(local_home)


@pytest.fixture
def context(dag_run):
    """A task that started 2 s ago, of a run that started a minute ago."""
    found = dag_run.try_task(PublishViewsOperator(task_id="serve.gold_to_serving"))
    now = datetime.now(UTC)
    found["ti"].start_date = now - timedelta(seconds=2)
    found["ti"].get_task_breadcrumbs = lambda dag_id, run_id: BREADCRUMBS if run_id == dag_run.run_id else []
    found["dag_run"].start_date = now - timedelta(minutes=1)
    return found


def written() -> RunSummary:
    summary = read_newest_summary(open_local_lake(), load_settings().paths)
    assert summary is not None
    return summary


def test_a_run_that_publishes(small_lake, context):
    build = small_lake.build(batch_id(context), [sale(1)])
    context["ti"].task.execute(context)
    first = written()
    assert (first.build_id, first.pipeline, first.timezone) == (build.build_id, "shop", "Europe/Oslo")
    assert first.figures.state == "published"
    assert {n: s for n, s in first.figures.stages.items() if n != "serve"} == {"ingest": 9.0, "silver": 17.0}
    assert 2 <= first.figures.stages["serve"] < 40
    assert first.figures.seconds >= 60
    context["dag_run"].start_date -= timedelta(minutes=5)
    context["ti"].task_id = "report.refresh_report"
    complete_summary(context)
    last = written()
    assert last.figures.seconds >= 360
    assert set(last.figures.stages) == {"ingest", "silver", "serve", "report"}
    assert last.figures.published_at == first.figures.published_at
    assert small_lake.query("SELECT run_id, seconds FROM midnight.runs") == [(context["run_id"], last.figures.seconds)]


def test_a_run_that_fails_and_is_cleared(small_lake, context):
    with pytest.raises(ServingError):  # no build
        context["ti"].task.execute(context)
    summarise_failure(context | {"exception": ServingError("no build")})
    assert (written().figures.state, written().build_id) == ("failed", "")
    small_lake.build(batch_id(context), [sale(1)])
    context["ti"].task.execute(context)
    summarise_failure(context | {"exception": RuntimeError("the report")})
    assert written().figures.state == "failed"
    assert written().figures.published_at is not None, "readers have the new data"
    complete_summary(context)  # the report was cleared
    assert written().figures.state == "published"


def test_a_table_was_stopped(small_lake, context):
    paths, batch = load_settings().paths, batch_id(context)
    small_lake.build(batch, [sale(1)])
    stopped = (StoppedTable(table="public.a", silver="a", problems=("public.a has no column 'x'",)),)
    document = RunDocument(batch_id=batch, run_id="r", lake=paths.as_dict(), tables=(), stopped=stopped)
    open_local_lake().write_text(paths.run_document(batch), document.to_json())
    context["ti"].task.execute(context)
    summarise_failure(context | {"exception": StoppedTablesError.of_messages(["public.a has no column 'x'"])})
    assert written().figures.state == "partial"
    complete_summary(context)
    assert written().figures.state == "partial"


def test_a_run_with_nothing_to_do_and_one_that_timed_out(small_lake, context):
    summarise_skip(context)
    assert written().figures.state == "nothing to do"
    del context["ti"].get_task_breadcrumbs  # the DAG's callback is not called by a task
    summarise_timeout(context | {"reason": "task_failure"})
    assert written().figures.state == "nothing to do"
    summarise_timeout(context | {"reason": "timed_out"})
    assert written().figures.state == "failed"
    summarise_skip(context)
    summarise_failure(context | {"task": SimpleNamespace(is_teardown=True)})
    assert written().figures.state == "nothing to do"


def test_a_summary_that_cannot_be_written_hides_nothing(small_lake, context, caplog, monkeypatch):
    (small_lake.home / "lake").mkdir()
    (small_lake.home / "lake" / "gold").write_text("no folder")
    for callback in (summarise_failure, summarise_skip, complete_summary):
        callback(context | {"exception": QualityGateError("x")})
    assert "could not be written" in caplog.text
    monkeypatch.setenv("MIDNIGHT_CONFIG", "/no/such/folder")
    summarise_failure(context)
