"""``make doctor`` on single services of Azure: Databricks' job and machines, Power BI's refresh."""

from __future__ import annotations

import pytest

from cli.checks import azure_databricks
from midnight.databricks.wheel_name import wheel_name
from midnight.masking import KEY_SECRET
from tests.fakes.doctor_databricks import WHEEL
from tests.support.deployed import deployed_job
from tests.support.doctor_setup import Setup

OLD_WHEEL = "midnight_lakehouse-0.1.0+g000000000000-py3-none-any.whl"


def test_a_job_that_was_deployed_from_other_files_and_could_be_changed_by_airflow(setup: Setup):
    setup.workspace.job = deployed_job(f"/Workspace/midnight-wheels/{OLD_WHEEL}", max_concurrent_runs=3)
    setup.workspace.level = "IS_OWNER"
    pipeline = setup.loaded.pipeline
    found = azure_databricks.check_databricks(setup.settings, "midnight_databricks", pipeline)
    other, right = (f for f in found if f.name == "Databricks job")
    assert (other.state, right.state) == ("fail", "warn")
    assert "max_concurrent_runs is 3, expected 1" in other.found
    assert f"the wheel is {OLD_WHEEL}, expected {wheel_name()}" in other.found
    assert "make publish-wheel" in other.hint
    assert "could change what the job runs" in right.found


def test_no_job_yet(setup: Setup):
    setup.workspace.job = None
    found = azure_databricks.check_databricks(setup.settings, "midnight_databricks")
    assert [(f.name, f.state) for f in found] == [("Databricks", "ok"), ("Databricks job", "fail")]
    assert "MIDNIGHT_DATABRICKS_JOB_ID" in found[-1].hint


@pytest.mark.parametrize(
    ("pools", "secrets", "expected"),
    [
        ({"P": "ACTIVE"}, {"s": ["k"]}, {"Databricks machines": "ok", "lake secret": "ok"}),
        ({"P": "DELETED"}, {"s": []}, {"Databricks machines": "fail", "lake secret": "fail"}),
        ({}, {}, {"Databricks machines": "fail", "lake secret": "fail"}),
    ],
)
def test_machines_from_a_pool_and_a_workspace_without_unity_catalog(
    setup: Setup, pools: dict[str, str], secrets: dict[str, list[str]], expected: dict[str, str]
):
    setup.workspace.pools, setup.workspace.secrets = pools, secrets
    setup.workspace.job = deployed_job(WHEEL, pool="P", unity_catalog=False, lake_secret="s/k")
    found = {f.name: f.state for f in azure_databricks.check_databricks(setup.settings, "midnight_databricks")}
    assert {name: found.get(name) for name in expected} == expected
    assert "external locations" not in found


@pytest.mark.parametrize(
    ("scope", "secrets", "expected"),
    [
        ("", {}, ("fail", "the job has no secret scope")),
        ("vault", {}, ("fail", "scope 'vault': ")),
        ("vault", {"vault": []}, ("fail", "has no 'airflow-variables-midnight-masking-key'")),
        ("vault", {"vault": [KEY_SECRET]}, ("ok", f"vault/{KEY_SECRET}")),
    ],
)
def test_the_scope_from_which_the_job_reads_the_masking_key(
    setup: Setup, scope: str, secrets: dict[str, list[str]], expected: tuple[str, str]
):
    setup.workspace.secrets = secrets
    setup.workspace.job = deployed_job(WHEEL, masking_scope=scope)
    findings = azure_databricks.check_databricks(setup.settings, "midnight_databricks", masked=True)
    found = next(f for f in findings if f.name == "masking key's scope")
    assert (found.state, expected[1] in found.found) == (expected[0], True)


def test_doctor_says_which_refresh_a_workspace_has(setup: Setup):
    assert setup.findings()["Power BI workspace"].found == "midnight-test, on a capacity: enhanced refresh"
    setup.reports.on_capacity = False
    found = setup.findings()["Power BI workspace"]
    assert (found.state, "without a capacity: plain refresh, at most 8 a day" in found.found) == ("ok", True)
    setup.reports.refreshes = 8
    found = setup.findings()["Power BI refresh"]
    assert (found.state, found.found) == ("warn", "8 refreshes in the last 24 hours: the next is refused")
