"""Publishing and the report as tasks of the local profile; tests/integration/azure has Synapse."""

from __future__ import annotations

import pytest

from midnight.errors import ServingError
from midnight_airflow.failure_callback import mark_report_failed
from midnight_airflow.operators.publish_views import PublishViewsOperator
from midnight_airflow.operators.refresh_report import RefreshReportOperator
from midnight_airflow.run_context import batch_id
from tests.support.html_page import Page
from tests.unit.conftest import SmallLake, sale


@pytest.fixture
def small_lake(local_home, monkeypatch):
    (local_home / "include").mkdir()
    (local_home / "include" / "pipeline.yml").write_text("source: {name: shop}\n")
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


def test_a_failed_task_is_shown_on_the_page(small_lake, dag_run):
    publish = PublishViewsOperator(task_id="serve.gold_to_serving")
    context = dag_run.try_task(publish)
    mark_report_failed(context)  # there is no page before the first successful run
    page = small_lake.home / "report" / "index.html"
    page.parent.mkdir()
    page.write_text("<main><!--status--><!--/status--></main>")
    try:
        publish.execute(context)
    except ServingError as error:
        mark_report_failed(context | {"exception": error})
    words = " ".join(Page(page.read_text()).words.split())
    assert "✗ The last run failed Run of 2026-01-02 00:00 UTC, failed" in words
    assert "serve.gold_to_serving: ServingError: batch" in words
    assert f"{dag_run.run_id}/tasks/serve.gold_to_serving?try_number=1" in page.read_text()


def test_a_run_without_gold_fails(small_lake, dag_run):
    publish = PublishViewsOperator(task_id="gold_to_serving")
    with pytest.raises(ServingError, match="has no complete build of gold"):
        publish.execute(dag_run.try_task(publish))
