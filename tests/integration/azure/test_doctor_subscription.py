"""``make doctor`` on quota and roles of the subscription."""

from __future__ import annotations

import pytest
import yaml

from cli.checks import azure_data_factory, azure_services
from midnight.settings import REPOSITORY
from tests.fakes.doctor_databricks import WHEEL
from tests.support.deployed import deployed_job
from tests.support.doctor_setup import Setup


@pytest.mark.parametrize(
    ("choices", "usages", "state", "words"),
    [
        ({}, {}, "ok", "4 of 6 vCPU left"),
        ({"workers": 2}, {}, "fail", "the job's cluster needs 12 vCPU, of which westeurope has 6 left (4 of 10 used)"),
        ({}, {"standardDDSv5Family": (8, 10)}, "fail", "standardDDSv5Family: the job's cluster needs 4 vCPU"),
        ({"workers": 1, "max_workers": 2}, {}, "fail", "needs 12 vCPU"),
        ({"workers": 1}, {"cores": (0, 100)}, "ok", "8 of 10 vCPU"),
        ({"pool": "P"}, {}, "ok", "decided by the instance pool"),
    ],
)
def test_the_quota_of_the_subscription(setup: Setup, choices: dict, usages: dict, state: str, words: str):
    """A new subscription has 10 vCPU in a region, and as many of a family of machines."""
    setup.workspace.job = deployed_job(WHEEL, policy="POLICY", spot=False, **choices)
    setup.factory.usages |= usages
    found = {f.name: f for f in azure_services.check_azure(setup.settings, setup.loaded)}["vCPU quota"]
    assert (found.state, words in found.found) == (state, True), found


def test_a_quota_that_airflow_may_not_see(setup: Setup):
    setup.factory.shows_quota = False
    found = {f.name: f for f in azure_services.check_azure(setup.settings, setup.loaded)}["vCPU quota"]
    assert (found.state, "az vm list-usage --location <region>" in found.hint) == ("warn", True)


def test_the_actions_that_doctor_looks_for_are_those_of_the_role():
    actions = yaml.safe_load((REPOSITORY / "infra" / "access.yml").read_text())["custom_roles"]
    granted = {action.lower() for action in actions["Midnight Pipeline Runner"]["actions"]}
    assert {action.lower() for action in azure_data_factory.NEEDED_ACTIONS} - granted == set()
    # what doctor itself needs to look at the factory
    assert {
        "microsoft.authorization/permissions/read",
        "microsoft.datafactory/factories/integrationruntimes/getstatus/read",
    } - granted == set()


def test_what_a_role_allows():
    entries = [{"actions": ["*/read"], "notActions": ["Microsoft.X/secrets/read"]}, {"actions": ["Microsoft.X/a/*"]}]
    assert [
        azure_data_factory.is_allowed(action, entries)
        for action in ("Microsoft.X/b/read", "microsoft.x/secrets/read", "Microsoft.X/a/run/action", "Microsoft.X/b/w")
    ] == [True, False, True, False]
