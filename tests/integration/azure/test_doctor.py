"""``make doctor`` in the azure profile: each fault is provoked, and named with its hint before midnight does."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from cli.checks import azure_services
from tests.support.deployed import deployed_job
from tests.support.doctor_setup import Setup


def test_a_setup_in_which_nothing_is_wrong(setup: Setup):
    found = setup.findings()
    assert {name: f"{finding.state} {finding.found}" for name, finding in found.items() if finding.state != "ok"} == {}
    assert list(found) == [
        "secrets backend",
        "connection midnight_source",
        "connection midnight_databricks",
        "connection midnight_synapse",
        "connection midnight_data_factory",
        "connection midnight_power_bi",
        "connection midnight_lake",
        "source",
        "lake bronze",
        "lake silver",
        "lake gold",
        "Databricks",
        "Databricks job",
        "wheel",
        "wheel's folder",
        "external locations",
        "Databricks runtime",
        "Databricks machines",
        "cluster policy",
        "vCPU quota",
        "Data Factory",
        "Data Factory rights",
        "integration runtime",
        "source password",
        "Synapse",
        "Power BI workspace",
        "Power BI right",
        "Power BI",
    ]
    services = [setup.workspace, setup.factory, setup.reports, setup.storage, setup.cloud.key_vault]
    assert [name for service in services for name in service.requests if name.startswith("unknown")] == []
    assert setup.cloud.tunnel.refused == set()
    asked = {name.split(" ")[0] for service in services for name in service.requests}
    assert asked == {"GET", "POST", "PUT"}  # the POST asks for a state, the PUT cannot succeed


Expected = dict[str, tuple[str, str, str]]  # name of the finding: its state, words of it, words of its hint


def first(setup: Setup) -> Expected:
    """Faults that do not hide each other are provoked together."""
    setup.cloud.key_vault.values.pop("source-password")
    setup.cloud.key_vault.expires["airflow-connections-midnight-lake"] = int(time.time()) - 86400
    setup.storage.writers.clear()
    setup.workspace.wheels.clear()
    setup.workspace.versions.pop()
    setup.workspace.nodes.clear()
    setup.workspace.policies.clear()
    setup.workspace.level = "CAN_VIEW"
    setup.workspace.privileges.append("WRITE_VOLUME")
    setup.workspace.locations.pop("silver")
    setup.factory.permissions[0]["notActions"].append("Microsoft.DataFactory/factories/pipelines/createRun/*")
    setup.factory.runtimes["midnight"] = "Offline"
    setup.reports.rights = dict.fromkeys(setup.reports.rights, "Viewer")
    setup.reports.on_capacity = setup.reports.refreshable = False
    setup.reports.last = "Failed"
    return {
        "source password": ("fail", "no secret 'source-password'", "docs/azure.md"),
        "connection midnight_lake": ("warn", "'airflow-connections-midnight-lake' expired on", "rotate it"),
        "lake gold": ("fail", "refuses to write (403", "Storage Blob Data Contributor"),
        "wheel": ("fail", "does not exist", "make publish-wheel"),
        "wheel's folder": ("fail", "may write /Volumes/main/midnight/wheels (WRITE_VOLUME)", "only deployers"),
        "Databricks runtime": ("fail", "18.x-scala2.13 is not offered", "databricks_job.spark_version"),
        "Databricks machines": ("fail", "unknown", "databricks.node_types"),
        "cluster policy": ("fail", "not one of the policies", "CAN_USE"),
        "Databricks job": ("fail", "has CAN_VIEW, and cannot start it", "CAN_MANAGE_RUN"),
        "external locations": ("fail", "no usable location for silver", "WRITE FILES"),
        "Data Factory rights": ("fail", "may not start the pipeline", "Midnight Pipeline Runner"),
        "integration runtime": ("fail", "midnight is Offline", "DIAHostService"),
        "Power BI right": ("fail", "a Viewer may not refresh", "Contributor"),
        "Power BI": ("fail", "cannot be refreshed", "publish include/powerbi"),
        "Power BI refresh": ("warn", "the last one failed", "refresh history"),
    }


def second(setup: Setup) -> Expected:
    setup.connection("midnight-source", password="new")
    setup.cloud.key_vault.expires["airflow-connections-midnight-lake"] = int(time.time()) + 7 * 86400
    setup.storage.containers.discard("gold")
    setup.workspace.nodes["Standard_D4ds_v5"] = ["NotEnabledOnSubscription"]
    setup.workspace.locations["gold"] = True
    setup.factory.runtimes.clear()
    setup.factory.pipelines["midnight_copy"]["activities"][1]["typeProperties"]["batchCount"] = 50
    setup.workspace.job = deployed_job(
        "/Workspace/midnight-wheels/midnight_lakehouse-0.1.0+g000000000000-py3-none-any.whl"
    )
    setup.workspace.folder_level = "CAN_EDIT"
    setup.reports.rights.clear()
    return {
        "source password": ("warn", "differ", "rotate both"),
        "connection midnight_lake": ("warn", "'airflow-connections-midnight-lake' expires on", "rotate it"),
        "lake gold": ("fail", "no container", "infra/"),
        "Databricks machines": ("fail", "NotEnabledOnSubscription", "databricks.node_types"),
        "Databricks job": ("fail", "the wheel is midnight_lakehouse-0.1.0+g000000000000", "make publish-wheel"),
        "wheel's folder": ("fail", "may write /Workspace/midnight-wheels (CAN_EDIT)", "only deployers"),
        "Data Factory": ("fail", "CopyTables].typeProperties.batchCount is 50, expected 2", "terraform apply"),
        "external locations": ("fail", "gold: read only", "(infra/)"),
        "cluster policy": ("fail", "the job's cluster has none", "terraform apply"),
        "integration runtime": ("fail", "no self-hosted", "step 4"),
        "Power BI": ("fail", "is not visible", "Contributor"),
    }


def third(setup: Setup) -> Expected:
    setup.cloud.key_vault.disabled.add("airflow-connections-midnight-source")
    setup.workspace.members.clear()
    setup.factory.pipelines.clear()
    setup.connection("midnight-lake", password="canary~old")
    setup.connection("midnight-power-bi", password="canary~old")
    return {
        "connection midnight_source": ("fail", "is disabled (403)", "--enabled true"),
        "Databricks": ("fail", "is not part of the workspace", "add Airflow's service principal"),
        "Data Factory": ("fail", "does not exist", "source_database"),
        "sign-in": (
            "fail",
            "is wrong (AADSTS7000215); affected: lake, Power BI",
            "of midnight_lake, midnight_power_bi",
        ),
    }


def fourth(setup: Setup) -> Expected:
    """With ingest by the operator, findings of Data Factory are only warnings, and it does not read the source."""
    setup.settings = setup.settings.model_copy(update={"ingest": "operator"})
    setup.factory.readers.clear()
    setup.connection("midnight-databricks", password="canary~old")
    setup.cloud.key_vault.values.pop("airflow-connections-midnight-power-bi")
    setup.cloud.key_vault.values["airflow-connections-midnight-synapse"] = "{canary~broken"
    return {
        "Data Factory": ("warn", "does not have authorization", "Midnight Pipeline Runner"),
        "Databricks": ("fail", "AADSTS7000215", "correct the connection 'midnight_databricks'"),
        "connection midnight_power_bi": (
            "fail",
            "has no secret 'airflow-connections-midnight-power-bi'",
            "az keyvault",
        ),
        "connection midnight_synapse": ("fail", "neither JSON nor a URI", "conn_type"),
    }


@pytest.mark.parametrize("provoke", [first, second, third, fourth])
def test_each_fault_is_named_with_its_hint(setup: Setup, provoke: Callable[[Setup], Expected]):
    expected = provoke(setup)
    findings = [f for f in azure_services.check_azure(setup.settings, setup.loaded) if f.state != "ok"]
    assert {f.name for f in findings} - {"lake silver", "lake bronze"} == set(expected)
    for finding in findings:
        state, found, hint = expected.get(finding.name, expected.get("lake gold", ("", "", "")))
        assert (finding.state, found in finding.found, hint in finding.hint) == (state, True, True), finding
    assert "canary" not in str(findings)
