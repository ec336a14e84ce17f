"""The rules for every DAG of Midnight, in both profiles."""

from __future__ import annotations

import re

import pytest

PIPELINE_TASKS = {
    "ingest.postgres_to_bronze_main": [],
    "bronze.plan_batch": ["ingest.postgres_to_bronze_main"],
    "silver.bronze_to_silver": ["bronze.plan_batch"],
    "gold.silver_to_gold": ["silver.bronze_to_silver"],
    "serve.gold_to_serving": ["gold.silver_to_gold"],
    "report.refresh_report": ["serve.gold_to_serving"],
    "check_stopped_tables": ["report.refresh_report"],
}
TEARDOWN = "cancel_orphaned_runs"
DAGS = ("midnight_pipeline", "midnight_rebuild", "midnight_maintenance", "midnight_deadline")
PROFILES = ("local", "azure")


@pytest.mark.parametrize("profile", PROFILES)
def test_every_dag_is_imported(parsed, profile):
    assert parsed[profile]["errors"] == {}
    assert set(DAGS) == set(parsed[profile]["dags"])


def test_the_order_of_the_stages(parsed):
    tasks = parsed["local"]["dags"]["midnight_pipeline"]["tasks"]
    assert {name: task["upstream"] for name, task in tasks.items()} == PIPELINE_TASKS


@pytest.mark.parametrize("dag", DAGS)
def test_tasks_are_the_same_in_both_profiles_but_for_the_teardown(parsed, dag):
    local, azure = ({n: t["upstream"] for n, t in parsed[p]["dags"][dag]["tasks"].items()} for p in PROFILES)
    teardown = {} if dag in ("midnight_maintenance", "midnight_deadline") else {TEARDOWN: ["report.refresh_report"]}
    assert local | teardown == azure


def test_the_azure_profile_uses_azure(parsed):
    tasks = parsed["azure"]["dags"]["midnight_pipeline"]["tasks"]
    assert [task["type"] for task in tasks.values()] == [
        "AzureIngestOperator",
        "PlanBatchOperator",
        "DatabricksSilverOperator",
        "DatabricksGoldOperator",
        "PublishViewsOperator",
        "RefreshPowerBiOperator",
        "CheckStoppedTablesOperator",
        "CancelOrphanedRunsOperator",
    ]


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("name", DAGS)
def test_the_attributes_and_documentation_of_every_dag(parsed, profile, name):
    dag = parsed[profile]["dags"][name]

    assert dag["owner"] == "data-engineering"
    assert {"midnight", profile} <= set(dag["tags"])
    assert dag["display_name"].startswith("Midnight: ")
    assert dag["paused"] is False, "a paused DAG would never run"
    assert (dag["catchup"], dag["max_active_runs"]) == (False, 1)
    assert dag["timeout"] > 0
    assert dag["doc_md"].strip().startswith(f"# {name}")
    for heading in ("**What.**", "**When.**", "**Parameters", "**When a task fails.**"):
        assert heading in dag["doc_md"]
    for task in dag["tasks"]:
        documented = re.sub(r"_main$", "_*", task.rsplit(".", 1)[-1])
        assert name == "midnight_rebuild" or f"`{documented}`" in dag["doc_md"], (
            f"the DAG's documentation does not describe {task}"
        )


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("name", DAGS)
def test_every_task_has_retries_with_backoff_and_a_timeout(parsed, profile, name):
    dag = parsed[profile]["dags"][name]
    for task_id, task in dag["tasks"].items():
        assert task["owner"] == "data-engineering"
        assert task["retries"] >= 1
        assert task["backoff"] > 1
        assert 0 < task["timeout"] <= dag["timeout"]
        assert task["retry_policy"] == "ExceptionRetryPolicy"
        is_teardown = task_id == TEARDOWN
        assert task["trigger_rule"] == ("all_done_setup_success" if is_teardown else "all_success")


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("name", DAGS)
def test_every_parameter_is_typed_and_described(parsed, profile, name):
    for parameter in parsed[profile]["dags"][name]["params"].values():
        assert parameter["description"]
        assert parameter["schema"]["type"]
        assert parameter["schema"]["title"]


def test_the_parameters_of_the_pipeline(parsed):
    local, params = (parsed[profile]["dags"]["midnight_pipeline"]["params"] for profile in PROFILES)

    everywhere = {"tables": [], "full_reload": False, "publish_unexpected": False, "ignore_budget": False}
    assert {name: param["default"] for name, param in params.items()} == everywhere | {"ingest_with": "operator"}
    assert {name: param["default"] for name, param in local.items()} == everywhere
    assert params["tables"]["schema"]["examples"] == [
        f"public.{name}" for name in ("airlines", "airports", "flights", "planes", "weather")
    ]
    assert params["ingest_with"]["schema"]["enum"] == ["operator", "adf"]


@pytest.mark.parametrize("name", DAGS)
def test_the_owner_leads_to_a_page(parsed, name):
    assert parsed["3 groups"]["dags"][name]["owner_links"] == {"somebody": "https://wiki.example.com/team"}


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("dag", ["midnight_pipeline", "midnight_rebuild"])
def test_the_tasks_that_change_tables_have_an_alias_of_assets(parsed, profile, dag):
    tasks = parsed[profile]["dags"][dag]["tasks"]
    outlets = {name: task["outlets"] for name, task in tasks.items() if task["outlets"]}
    assert outlets == {"silver.bronze_to_silver": ["midnight_silver"], "serve.gold_to_serving": ["midnight_gold"]}


def test_the_schedule_is_midnight_in_the_time_zone_of_the_configuration(parsed):
    assert (
        "expression='0 0 * * *', timezone='America/New_York'"
        in (parsed["local"]["dags"]["midnight_pipeline"]["timetable"])
    )
    assert "NullTimetable" in parsed["no schedule"]["dags"]["midnight_pipeline"]["timetable"]


def test_the_number_of_tasks_does_not_depend_on_the_number_of_tables(parsed):
    few, many = (parsed[key]["dags"]["midnight_pipeline"] for key in ("5 tables", "500 tables"))
    assert few["tasks"] == many["tasks"]
    assert len(many["params"]["tables"]["schema"]["examples"]) == 500


def test_500_tables_do_not_slow_down_parsing(parsed):
    assert parsed["500 tables"]["seconds"] < 3 * parsed["5 tables"]["seconds"] + 0.5


def test_one_ingest_task_per_load_group(parsed):
    tasks = parsed["3 groups"]["dags"]["midnight_pipeline"]["tasks"]
    groups = [f"ingest.postgres_to_bronze_{name}" for name in ("big", "main", "small")]

    assert groups == sorted(name for name in tasks if name.startswith("ingest."))
    assert groups == tasks["bronze.plan_batch"]["upstream"]


@pytest.mark.parametrize("profile", PROFILES)
def test_parsing_imports_nothing_heavy(parsed, profile):
    assert parsed[profile]["heavy"] == []


@pytest.mark.parametrize("variant", ["broken", "wrong cron", "no YAML"])
def test_a_wrong_pipeline_file_keeps_its_dags_so_that_the_first_task_reports_it(parsed, variant):
    assert parsed[variant]["errors"] == {}
    assert list(parsed[variant]["dags"]["midnight_pipeline"]["tasks"]) == list(PIPELINE_TASKS)
    assert "expression='0 0 * * *', timezone='UTC'" in parsed[variant]["dags"]["midnight_pipeline"]["timetable"]


def test_an_incomplete_azure_profile_is_an_import_error(parsed):
    assert (
        "the azure profile also needs MIDNIGHT_DATABRICKS_JOB_ID"
        in (parsed["azure without job"]["errors"]["midnight_pipeline"])
    )


def test_the_deadline_is_checked_on_the_clock_of_the_configuration(parsed):
    assert (
        "expression='30 7 * * *', timezone='Europe/Berlin'"
        in (parsed["deadline"]["dags"]["midnight_deadline"]["timetable"])
    )
    assert "NullTimetable" in parsed["local"]["dags"]["midnight_deadline"]["timetable"]
