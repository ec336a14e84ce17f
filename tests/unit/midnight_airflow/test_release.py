"""A stopped publication waits for a person: the question, the answer, and the run afterwards."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from airflow.sdk.exceptions import TaskAwaitingInput

from midnight.errors import NonRetryableJobError
from midnight.lake.files import open_local_lake
from midnight.run.document import RunDocument, read_run_document
from midnight.settings import load_settings
from midnight_airflow.operators.local_spark_job import LocalSparkJobOperator
from midnight_airflow.release import number_of_releases
from midnight_airflow.run_context import batch_id

ERROR = NonRetryableJobError("bronze_to_silver: public.t: 2 rows fail", ("silver/t/small",))
AT = datetime(2026, 11, 30, 7, tzinfo=UTC)


def answer(option: str = "Approve", reason: str = "the board meets at 8") -> dict:
    user = {"id": "7", "name": "maria"}
    given = {"chosen_options": [option], "params_input": {"reason": reason}}
    return given | {"responded_at": AT, "responded_by_user": user}


@pytest.fixture
def task(local_home, monkeypatch, dag_run):
    """A silver task whose job fails until it is released; its context, and the questions it asks."""
    (local_home / "include").mkdir()
    (local_home / "include" / "pipeline.yml").write_text(
        "source: {name: shop}\nrelease: {ask: true, users: [maria], wait_hours: 2}\n"
    )
    monkeypatch.setenv("MIDNIGHT_CONFIG", str(local_home / "include"))
    questions: list[dict] = []
    monkeypatch.setattr(
        "airflow.providers.standard.operators.hitl.upsert_hitl_detail", lambda **fields: questions.append(fields)
    )
    operator = LocalSparkJobOperator(task_id="silver.bronze_to_silver", step="bronze_to_silver")
    context = dag_run.try_task(operator)
    context["task_instance"] = context["ti"]
    context["ti"].id = "0190"
    settings, lake = load_settings(), open_local_lake()

    def plan() -> RunDocument | None:
        return read_run_document(lake, settings.paths, batch_id(context))

    def run_job(self, *arguments: object) -> None:
        document = plan()
        if document is None or not document.releases:
            raise ERROR

    monkeypatch.setattr(LocalSparkJobOperator, "_run", run_job)
    empty = RunDocument(batch_id=batch_id(context), run_id="r", lake=settings.paths.as_dict(), tables=())
    lake.write_text(settings.paths.run_document(batch_id(context)), empty.to_json())
    operator.plan, operator.questions = plan, questions
    return operator, context


def wait(operator, context) -> TaskAwaitingInput:
    with pytest.raises(TaskAwaitingInput) as caught:
        operator.execute(context)
    return caught.value


def test_an_approved_run_continues_with_the_reason_in_its_document(task):
    operator, context = task
    waiting = wait(operator, context)
    [question] = operator.questions
    assert question["subject"] == "Publish although t: small failed?"
    assert "2 rows fail" in question["body"]
    assert question["options"] == ["Approve", "Reject"]
    assert question["assigned_users"] == [{"id": "maria", "name": "maria"}]
    assert (waiting.method_name, waiting.timeout) == ("execute_released", timedelta(hours=2))
    getattr(operator, waiting.method_name)(context, event=answer(), **waiting.kwargs)
    [release] = operator.plan().releases
    assert (release.by, release.reason, release.at) == ("maria", "the board meets at 8", AT)
    assert release.releasable == ("silver/t/small",)
    assert number_of_releases(context) == 1


def test_another_failure_after_the_release_is_not_approved_by_the_first_question(task, monkeypatch):
    """Airflow keeps the text of a try's first question; the next try, after a clear, asks about the other failure."""
    operator, context = task
    waiting = wait(operator, context)

    def run_job(self, *arguments: object) -> None:
        raise NonRetryableJobError("another check", ("silver/t/other",))

    monkeypatch.setattr(LocalSparkJobOperator, "_run", run_job)
    with pytest.raises(NonRetryableJobError, match="another check"):
        operator.execute_released(context, answer(), **waiting.kwargs)
    context["ti"].id = "0191"
    wait(operator, context)
    assert "t: other" in operator.questions[-1]["subject"]


@pytest.mark.parametrize(
    ("event", "why"),
    [
        (answer("Reject", "wait for the source"), "not released: rejected by maria: wait for the source"),
        (answer(reason=" "), "not released: maria gave no reason"),
        ({"error": "timeout", "error_type": "timeout"}, "not released: no answer in time"),
    ],
)
def test_without_an_approval_the_task_fails_for_good(task, event, why):
    operator, context = task
    waiting = wait(operator, context)
    with pytest.raises(NonRetryableJobError, match=f"2 rows fail; {why}"):
        operator.execute_released(context, event, **waiting.kwargs)
    assert operator.plan().releases == ()


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("source: {name: shop}\n", ERROR),
        ("source: {name: shop}\nrelease: {ask: true}\n", NonRetryableJobError("a row is missing")),
    ],
    ids=["off by default", "row conservation"],
)
def test_nothing_is_asked(task, local_home, monkeypatch, text, error):
    operator, context = task
    (local_home / "include" / "pipeline.yml").write_text(text)

    def run_job(self, *arguments: object) -> None:
        raise error

    monkeypatch.setattr(LocalSparkJobOperator, "_run", run_job)
    with pytest.raises(NonRetryableJobError):
        operator.execute(context)
    assert operator.questions == []
