"""Events of OpenLineage: Airflow's provider sends what the tasks say, and the specification's schemas accept it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from airflow.providers.openlineage.extractors.base import DefaultExtractor
from airflow.providers.openlineage.plugins.adapter import OpenLineageAdapter
from openlineage.client import OpenLineageClient

from midnight_airflow.operators.ingest import IngestOperator
from midnight_airflow.operators.local_spark_job import LocalSparkJobOperator
from midnight_airflow.operators.publish_views import PublishViewsOperator
from tests.support.alert_sinks import web_sink
from tests.support.lineage_events import columns_of, names, problems

PASSWORD = "correct-horse"
NOW = datetime.now(UTC).isoformat()


@pytest.fixture
def operators(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setenv("AIRFLOW_CONN_MIDNIGHT_SOURCE", f"postgres://reader:{PASSWORD}@db.example:5433/flights")
    return {
        "bronze": IngestOperator(task_id="read", group="main"),
        "silver": LocalSparkJobOperator(task_id="clean", step="bronze_to_silver"),
        "gold": LocalSparkJobOperator(task_id="model", step="silver_to_gold"),
        "serving": PublishViewsOperator(task_id="publish"),
    }


def send(adapter: OpenLineageAdapter, operator: Any, kind: str = "COMPLETE", tables: tuple[str, ...] = ()) -> None:
    """One event, as the provider's listener calls the adapter."""
    instance = SimpleNamespace(get_template_context=lambda: {"params": {"tables": list(tables)}})
    extractor = DefaultExtractor(operator)
    common: dict[str, Any] = {
        "run_id": str(uuid4()),
        "job_name": f"midnight_pipeline.{operator.task_id}",
        "job_description": "",
        "owners": [],
        "tags": [],
        "nominal_start_time": NOW,
        "nominal_end_time": NOW,
    }
    if kind == "START":
        adapter.start_task(event_time=NOW, task=extractor.extract(), **common)
    elif kind == "COMPLETE":
        adapter.complete_task(end_time=NOW, task=extractor.extract_on_complete(instance), **common)
    else:
        adapter.fail_task(
            end_time=NOW, task=extractor.extract_on_failure(instance), error=ValueError("wrong"), **common
        )


def test_events_are_valid_and_name_the_columns(operators: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    with web_sink() as sink:
        monkeypatch.setenv("OPENLINEAGE_URL", sink.url)
        adapter = OpenLineageAdapter(client=OpenLineageClient())
        for operator in operators.values():
            send(adapter, operator)
        send(adapter, operators["bronze"], "START")
        send(adapter, operators["serving"], "FAIL")
        send(adapter, operators["silver"], tables=("public.airports",))
    events = [body for _, body in sink.posts]
    assert [event["eventType"] for event in events] == [*["COMPLETE"] * 4, "START", "FAIL", "COMPLETE"]
    assert {problem for event in events for problem in problems(event)} == set()
    assert PASSWORD not in json.dumps(events)
    bronze, silver, gold, serving, start, failed, airports = events
    assert (start["outputs"], failed["outputs"]) == (bronze["outputs"], serving["outputs"])
    assert ("postgres://db.example:5433", "flights.public.flights") in names(bronze["inputs"])
    assert names(silver["inputs"]) == names(bronze["outputs"])
    assert names(gold["inputs"]) == names(silver["outputs"])
    assert names(serving["inputs"]) == names(gold["outputs"])
    assert [Path(name).name for _, name in names(airports["outputs"])] == ["airports"]
    facet = columns_of(gold, "fact_flight")
    (source,) = facet["fields"]["arrival_delay_minutes"]["inputFields"]
    assert (Path(source["name"]).name, source["field"]) == ("flights", "arr_delay")
    assert [t["subtype"] for t in source["transformations"]] == ["IDENTITY"]
    decides = {(Path(f["name"]).name, f["field"], f["transformations"][0]["subtype"]) for f in facet["dataset"]}
    assert ("flights", "tailnum", "JOIN") in decides
    (day,) = columns_of(serving, "reporting.flight")["fields"]["flight_date"]["inputFields"]
    assert day["name"].endswith("gold.dim_date")


def test_an_endpoint_that_fails_does_not_fail_the_task(
    operators: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPENLINEAGE__TRANSPORT__TYPE", "http")
    monkeypatch.setenv("OPENLINEAGE__TRANSPORT__RETRY__TOTAL", "0")
    with web_sink(500) as sink:
        monkeypatch.setenv("OPENLINEAGE__TRANSPORT__URL", sink.url)
        send(OpenLineageAdapter(client=OpenLineageClient()), operators["serving"])
        assert len(sink.posts) == 1
    send(OpenLineageAdapter(client=OpenLineageClient()), operators["serving"])  # nothing listens any more
    assert capsys.readouterr().out.count("Failed to emit OpenLineage") == 2
