"""Killed processes, cleared tasks and lost triggers: one active run, no orphaned run, a new one after a clear.

A real Airflow in the azure profile against the fakes for Databricks, Data Factory and Power BI, over TLS. Each
scenario has its own job, so that the scenarios run concurrently.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import httpx
import pytest

from cli.airflow.services import AirflowServices
from cli.postgres.embedded import Server
from midnight.errors import NON_RETRYABLE_MARKER
from tests.fakes.cloud import TENANT
from tests.fakes.data_factory import DataFactory
from tests.fakes.databricks import GET_RUN, RUN_NOW, Databricks, Pause
from tests.fakes.entra import Entra
from tests.fakes.power_bi import PowerBi
from tests.support.lifecycle_instance import WHEEL, JobScenario, Scenario, kill, scripted_wheel, sign_in
from tests.support.lifecycle_services import copied, held_factory, held_power_bi, running_airflow
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.airflow, pytest.mark.slow]

SILVER = "bronze_to_silver"
SCENARIOS = {
    "crash": "silver_only",
    "signal": "silver_only",
    "person": "silver_only",
    "late": "short_of_time",
    "limit": "silver_only",
    "restart": "silver_only",
    "again": "both_steps",
    "failure": "silver_only",
    "stopped": "silver_only",
}
COPIES = ("marked", "orphan")
LEFT, LEFT_TASKS = "left", (SILVER, "copy", "refresh_report")


@pytest.fixture(scope="module")
def databricks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Databricks]:
    folder = tmp_path_factory.mktemp("databricks")
    with contextlib.closing(Databricks(Entra(TENANT), folder, engine=None)) as workspace:
        workspace.files[WHEEL] = scripted_wheel()
        yield workspace


@pytest.fixture(scope="module")
def factory(databricks: Databricks, postgres_server: Server) -> Iterator[DataFactory]:
    with held_factory(databricks, postgres_server, [*COPIES, LEFT]) as made:
        yield made


@pytest.fixture(scope="module")
def power_bi(databricks: Databricks) -> Iterator[PowerBi]:
    with held_power_bi(databricks) as made:
        yield made


@pytest.fixture(scope="module")
def services(
    tmp_path_factory: pytest.TempPathFactory, databricks: Databricks, factory: DataFactory, power_bi: PowerBi
) -> Iterator[AirflowServices]:
    with running_airflow(tmp_path_factory.mktemp("airflow"), databricks, factory, power_bi) as airflow:
        yield airflow


@pytest.fixture(scope="module")
def http(services: AirflowServices) -> Iterator[httpx.Client]:
    with contextlib.closing(sign_in(services)) as session:
        yield session


@pytest.fixture(scope="module")
def scenarios(services: AirflowServices, http: httpx.Client, databricks: Databricks) -> dict[str, JobScenario]:
    databricks.pauses[GET_RUN, "crash"] = Pause()
    databricks.pauses[RUN_NOW, "signal"] = Pause()
    return {job: JobScenario(services, http, dag=dag, job=job, databricks=databricks) for job, dag in SCENARIOS.items()}


@pytest.fixture(scope="module")
def copies(scenarios: dict[str, JobScenario], services: AirflowServices, http: httpx.Client) -> dict[str, Scenario]:
    """Not started with the others: importing Data Factory in every process at once is too much for two cores."""
    return {job: Scenario(services, http, dag="copy_only", job=job) for job in COPIES}


@pytest.fixture(scope="module")
def refresh(copies: dict[str, Scenario], services: AirflowServices, http: httpx.Client) -> Scenario:
    return Scenario(services, http, dag="refresh_only", job="refresh")


@pytest.fixture(autouse=True)
def single_writer(databricks: Databricks) -> Iterator[None]:
    yield
    assert databricks.writers == 1


def test_a_retry_after_sigkill_finds_the_run_that_was_just_started(scenarios, databricks):
    crash, pause = scenarios["crash"], databricks.pauses[GET_RUN, "crash"]
    wait_for(pause.reached.is_set)  # the run was started, and only Databricks and this process know its id
    kill(crash.process(SILVER).pid)
    pause.goes_on.set()

    crash.let_all_finish(crash.wait_until_waiting(SILVER, attempt=2))

    crash.wait_until(SILVER, "success", attempt=2)
    assert crash.wait_for_results(1) == ["SUCCESS"]


def test_sigterm_while_the_run_is_started_cancels_it_and_the_retry_starts_another(scenarios, databricks):
    signal, pause = scenarios["signal"], databricks.pauses[RUN_NOW, "signal"]
    wait_for(pause.reached.is_set)  # the request was sent, and the run not yet created
    signal.process(SILVER).terminate()
    wait_for(lambda: signal.results == ["CANCELED"], lambda: signal.results)
    pause.goes_on.set()

    signal.let_all_finish(signal.wait_until_waiting(SILVER, attempt=2))

    signal.wait_until(SILVER, "success", attempt=2)
    assert signal.wait_for_results(2) == ["CANCELED", "SUCCESS"]
    assert "the task was killed while it started the step" in signal.log(SILVER)


def test_marking_and_clearing_a_deferred_task(scenarios):
    person = scenarios["person"]
    person.wait_until_waiting(SILVER, attempt=1)
    person.mark(SILVER, "failed")
    assert person.wait_for_results(1) == ["CANCELED"]

    person.clear(SILVER)
    second = person.wait_until_waiting(SILVER, attempt=2)
    person.clear(SILVER)  # while it waits
    third = person.wait_until_waiting(SILVER, attempt=3)
    assert second.result == "CANCELED"
    person.let_all_finish(third)

    person.wait_until(SILVER, "success")
    assert person.wait_for_results(3) == ["CANCELED", "CANCELED", "SUCCESS"]


def test_a_run_that_takes_too_long_is_cancelled(scenarios):
    late = scenarios["late"]
    late.wait_until(SILVER, "failed", attempt=1)
    assert late.wait_for_results(1) == ["CANCELED"]
    assert "the run did not end before the deadline and was cancelled (Databricks run" in late.log(SILVER)


def test_a_deferral_that_airflow_ends_cancels_the_run(scenarios):
    limit = scenarios["limit"]
    limit.wait_until_waiting(SILVER, attempt=1)
    limit.expire_deferral()

    limit.let_all_finish(limit.wait_until_waiting(SILVER, attempt=2))

    limit.wait_until(SILVER, "success", attempt=2)
    assert limit.wait_for_results(2) == ["CANCELED", "SUCCESS"]
    assert "the run did not end within 4:00:00 and was cancelled" in limit.log(SILVER)


def test_a_failed_job_has_its_own_error_and_is_retried_unless_non_retryable(scenarios):
    failure = scenarios["failure"]
    failure.let_finish(failure.wait_until_waiting(SILVER, attempt=1), SILVER, "error: the lake was busy")
    failure.let_finish(
        failure.wait_until_waiting(SILVER, attempt=2), SILVER, f"{NON_RETRYABLE_MARKER}\nerror: check 'positive' failed"
    )

    failure.wait_until(SILVER, "failed", attempt=2)
    assert failure.wait_for_results(2) == ["FAILED", "FAILED"]
    first, second = failure.runs
    assert f"{SILVER}: the lake was busy (Databricks run {first.run_id})" in failure.log(SILVER)
    assert f"{SILVER}: check 'positive' failed (Databricks run {second.run_id})" in failure.log(SILVER)


def test_cancelling_and_deleting_a_run_in_the_workspace(scenarios, databricks):
    stopped = scenarios["stopped"]
    databricks.runner.cancel(stopped.wait_until_waiting(SILVER, attempt=1))
    stopped.wait_until(SILVER, "failed", attempt=1)  # cancelled by hand: no retry
    assert "was cancelled in the workspace; hint: clear this task to run it again" in stopped.log(SILVER)

    stopped.clear(SILVER)
    second = stopped.wait_until_waiting(SILVER, attempt=2)
    databricks.pauses[GET_RUN, "stopped"] = pause = Pause()
    wait_for(pause.reached.is_set)  # the triggerer does not see the run's end
    databricks.runner.cancel(second)
    wait_for(lambda: second.ended)
    databricks.delete(second)
    pause.goes_on.set()
    stopped.let_all_finish(stopped.wait_until_waiting(SILVER, attempt=3))

    stopped.wait_until(SILVER, "success", attempt=3)
    assert stopped.wait_for_results(3) == ["CANCELED", "CANCELED", "SUCCESS"]
    assert "the run was deleted in the workspace" in stopped.log(SILVER)


def test_a_cleared_finished_task_runs_again(scenarios):
    again, silver, gold = scenarios["again"], "silver.bronze_to_silver", "gold.silver_to_gold"
    again.let_all_finish(again.wait_until_waiting(silver, attempt=1))
    again.wait_until(gold, "success")

    again.clear(gold)
    again.let_all_finish(again.wait_until_waiting(gold, attempt=2))
    again.wait_until(gold, "success", attempt=2)
    again.clear(silver)
    again.let_all_finish(again.wait_until_waiting(silver, attempt=2))
    again.wait_until(silver, "success", attempt=2)

    assert again.wait_for_results(3) == ["SUCCESS", "SUCCESS", "SUCCESS"]
    both = "bronze_to_silver,silver_to_gold"
    assert [run.parameters["steps"] for run in again.runs] == [both, "silver_to_gold", both]


def test_marking_and_clearing_a_deferred_copy(copies, factory):
    marked = copies["marked"]
    marked.wait_until_deferred("copy", attempt=1)
    marked.mark("copy", "failed")
    wait_for(lambda: [run["status"] for run in copied(factory, "marked")] == ["Cancelled"])

    factory.delays.pop("public.marked")
    marked.clear("copy")
    marked.wait_until("copy", "success")
    assert [run["status"] for run in copied(factory, "marked")] == ["Cancelled", "Succeeded"]


def test_marking_and_clearing_a_deferred_refresh(refresh, power_bi):
    refresh.wait_until_deferred("refresh_report", attempt=1)
    refresh.mark("refresh_report", "failed")
    wait_for(lambda: [entry["status"] for entry in power_bi.refreshes.values()] == ["Cancelled"])

    refresh.clear("refresh_report")
    refresh.wait_until_deferred("refresh_report", attempt=2)
    power_bi.end(list(power_bi.refreshes)[-1], "Completed")

    refresh.wait_until("refresh_report", "success")
    assert [entry["status"] for entry in power_bi.refreshes.values()] == ["Cancelled", "Completed"]


@pytest.fixture(scope="module")
def left(refresh: Scenario, services: AirflowServices, http: httpx.Client, databricks: Databricks) -> JobScenario:
    """Work in all three services. Power BI allows one refresh at a time, so it starts after that of ``refresh``."""
    refresh.wait_until("refresh_report", "success")
    return JobScenario(services, http, dag="left_behind", job=LEFT, databricks=databricks)


def test_a_restart_of_triggerer_and_scheduler_waits_for_the_same_run(scenarios, copies, left, factory, services):
    restart, orphan = scenarios["restart"], copies["orphan"]
    run = restart.wait_until_waiting(SILVER, attempt=1)
    orphan.wait_until_deferred("copy", attempt=1)
    for task in LEFT_TASKS:
        left.wait_until_deferred(task, attempt=1)
    victims = ("triggerer", "scheduler")
    for main in [services.records()[name].find() for name in victims]:
        for process in (main, *main.children(recursive=True)):
            kill(process.pid)
    wait_for(lambda: not any(services.running()[name] for name in victims))
    factory.delays.pop("public.orphan")
    orphan.clear("copy")  # no trigger is there to cancel its run
    for task in LEFT_TASKS:
        left.mark(task, "failed")
    services.start()
    restart.let_all_finish(run)

    restart.wait_until(SILVER, "success", attempt=1)
    assert restart.wait_for_results(1) == ["SUCCESS"]
    orphan.wait_until("copy", "success")
    assert [run["status"] for run in copied(factory, "orphan")] == ["Cancelled", "Succeeded"]


def test_the_teardown_cancels_orphaned_runs(left, factory, power_bi):
    left.wait_until("cancel_orphaned_runs", "success")

    log = left.log("cancel_orphaned_runs")
    for message in ("Cancelling Databricks run", "Cancelling orphaned pipeline run", "Cancelling orphaned refresh"):
        assert message in log
    assert left.wait_for_results(1) == ["CANCELED"]
    copies = [
        run.document for run in factory.runs.values() if f'"table": "{LEFT}"' in run.document["parameters"]["tables"]
    ]
    assert [run["status"] for run in copies] == ["Cancelled"]
    assert list(power_bi.refreshes.values())[-1]["status"] == "Cancelled"


def test_nothing_is_left_running(scenarios, databricks, factory):
    assert [run.document["status"] for run in factory.runs.values() if run.document["runEnd"] is None] == []
    assert [run.run_id for run in databricks.runner.runs if not run.ended] == []
    assert [name for name in databricks.requests if "POST" in name and "/jobs/runs" not in name] == [RUN_NOW]
