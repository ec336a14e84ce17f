"""``make doctor`` in the azure profile: each fault is provoked, and named with its hint before midnight does."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli.checks import azure, azure_data_factory, azure_databricks, azure_power_bi, azure_services, source, synapse
from cli.checks.azure_connections import BACKEND, KEY_VAULT, KEYWORDS
from cli.checks.finding import NETWORK_HINT, Check, Finding, run_checks
from midnight.configuration.pipeline import Configuration, load_configuration
from midnight.databricks.wheel_name import wheel_name
from midnight.masking import GENERATE_KEY_COMMAND, KEY_SECRET, parse_key
from midnight.settings import REPOSITORY, Settings, load_settings
from tests.fakes.cloud import TENANT, Cloud, running_cloud
from tests.fakes.doctor_services import ACCOUNT, HOST, WHEEL, Factory, Reports, Storage, Workspace
from tests.fakes.entra import Entra
from tests.fakes.key_vault import READ
from tests.integration.azure.conftest import enter
from tests.support.deployed import deployed_job

OLD_WHEEL = "midnight_lakehouse-0.1.0+g000000000000-py3-none-any.whl"
PASSWORD = "canary~source/p@ss%word"


@dataclass
class Setup:
    """A cloud in which nothing is wrong, for the test to break."""

    cloud: Cloud
    workspace: Workspace
    factory: Factory
    reports: Reports
    storage: Storage
    settings: Settings
    loaded: Configuration

    def findings(self) -> dict[str, Finding]:
        """By name. Synapse has its own tests."""
        return {finding.name: finding for finding in azure_services.check_azure(self.settings, self.loaded)}

    def connection(self, name: str, **changes: Any) -> None:
        """Change fields of a connection."""
        key = f"airflow-connections-{name}"
        self.cloud.key_vault.values[key] = json.dumps(json.loads(self.cloud.key_vault.values[key]) | changes)


@pytest.fixture
def setup(tmp_path: Path, entra: Entra, monkeypatch: pytest.MonkeyPatch) -> Iterator[Setup]:
    from airflow.sdk import configuration

    workspace, factory, reports, storage = Workspace(entra), Factory(entra), Reports(entra), Storage(entra)
    with running_cloud(tmp_path, entra=entra, services=[workspace, factory, reports, storage]) as cloud:
        enter(cloud, monkeypatch)
        client, secret = cloud.client
        keywords = {"vault_url": "https://midnight-test.vault.azure.net/", "retry_backoff_factor": 0}
        for name, value in {
            BACKEND: KEY_VAULT,
            KEYWORDS: json.dumps(keywords | {"config_prefix": None}),
            "MIDNIGHT_PROFILE": "azure",
            "MIDNIGHT_STORAGE_ACCOUNT": ACCOUNT,
            "MIDNIGHT_LAKE_CONNECTION": "midnight_lake",
            "MIDNIGHT_DATABRICKS_JOB_ID": "7",
            "MIDNIGHT_ADF_RESOURCE_GROUP": "group",
            "MIDNIGHT_ADF_FACTORY": "factory",
            "MIDNIGHT_INGEST": "adf",
            "MIDNIGHT_POWERBI_GROUP_ID": reports.group,
            "MIDNIGHT_POWERBI_DATASET_ID": reports.dataset,
        }.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(configuration, "_secrets_backend_cache", {})
        monkeypatch.setattr(synapse, "check_synapse", lambda *_: [Finding.ok("Synapse", "")])
        monkeypatch.setattr(source, "check_source", lambda address, *_, **__: [Finding.ok("source", address.place)])
        sign_in = {"login": client, "password": secret}
        for name, connection in {
            "midnight-source": {"host": "db", "schema": "shop", "login": "reader", "password": PASSWORD},
            "midnight-lake": {**sign_in, "extra": {"tenantId": TENANT}},
            "midnight-data-factory": {**sign_in, "extra": {"tenantId": TENANT, "subscriptionId": "s"}},
            "midnight-databricks": {**sign_in, "host": f"https://{HOST}", "extra": {"azure_tenant_id": TENANT}},
            "midnight-synapse": {**sign_in, "host": "x-ondemand.sql.azuresynapse.net"},
            "midnight-power-bi": {**sign_in, "extra": {"tenant_id": TENANT, "trust_env": True}},
        }.items():
            cloud.key_vault.values[f"airflow-connections-{name}"] = json.dumps({"conn_type": "generic", **connection})
        cloud.key_vault.values["source-password"] = PASSWORD
        workspace.members.add(client)
        factory.readers.add(client)
        reports.rights[client] = "Contributor"
        storage.writers.add(client)
        settings = load_settings()
        yield Setup(cloud, workspace, factory, reports, storage, settings, load_configuration(settings.config))


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
        "lake": ("fail", "AADSTS7000215", "correct the connection 'midnight_lake'"),
        "Power BI": ("fail", "AADSTS7000215", "correct the connection 'midnight_power_bi'"),
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


def test_doctor_says_which_refresh_a_workspace_has(setup: Setup):
    assert setup.findings()["Power BI workspace"].found == "midnight-test, on a capacity: enhanced refresh"
    setup.reports.on_capacity = False
    found = setup.findings()["Power BI workspace"]
    assert (found.state, "without a capacity: plain refresh, at most 8 a day" in found.found) == ("ok", True)
    setup.reports.refreshes = 8
    found = setup.findings()["Power BI refresh"]
    assert (found.state, found.found) == ("warn", "8 refreshes in the last 24 hours: the next is refused")


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


def _forbid(setup: Setup) -> None:
    setup.cloud.key_vault.readers.clear()


def _throttle(setup: Setup) -> None:
    setup.cloud.key_vault.fail(READ, *[lambda: setup.cloud.key_vault.error(429, "Too many")] * 99)


def _expire(setup: Setup) -> None:
    setup.cloud.entra.expired.add(setup.cloud.client[0])


def _cut_off(setup: Setup) -> None:
    setup.cloud.tunnel.unreachable |= set(setup.cloud.tunnel.ports)


@pytest.mark.parametrize(
    ("provoke", "names", "found", "hint"),
    [
        (_forbid, 6, ": 403 Forbidden", "Key Vault Secrets User"),
        (_throttle, 1, "throttles requests (429)", "wait a minute"),
        (_expire, 1, "the client secret of Airflow's identity has expired", "AZURE_CLIENT_SECRET"),
        (_cut_off, 1, "is not reachable", "check DNS, firewall and proxy"),
    ],
)
def test_a_vault_that_gives_nothing(setup: Setup, provoke: Any, names: int, found: str, hint: str):
    """No service is asked with a connection that nobody could read, and what holds for all secrets is told once."""
    setup.settings = setup.settings.model_copy(update={"lake_connection": "midnight_lake"})
    provoke(setup)
    started = time.monotonic()
    findings = [f for f in azure_services.check_azure(setup.settings, setup.loaded) if f.state == "fail"]
    assert (len(findings), {found in f.found for f in findings}, {hint in f.hint for f in findings}) == (
        names,
        {True},
        {True},
    )
    assert "canary" not in str(findings)
    assert time.monotonic() - started < 20


def test_services_that_take_a_connection_and_say_nothing(setup: Setup, monkeypatch: pytest.MonkeyPatch):
    """As behind a firewall that drops packets: no identity and no right is to blame, and nobody waits long."""
    for module in (azure, azure_databricks, azure_power_bi):
        monkeypatch.setattr(module, "SECONDS", 2)
    monkeypatch.setattr(azure_data_factory, "QUICK", {**azure_data_factory.QUICK, "read_timeout": 2})
    silent = {HOST, f"{ACCOUNT}.blob.core.windows.net", "management.azure.com", "api.powerbi.com"}
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        assert silent <= setup.cloud.tunnel.ports.keys()
        setup.cloud.tunnel.ports.update(dict.fromkeys(silent, server.getsockname()[1]))
        findings = [f for f in azure_services.check_azure(setup.settings, setup.loaded) if f.state == "fail"]
    hints = {finding.name: finding.hint.startswith(NETWORK_HINT) for finding in findings}
    assert hints == dict.fromkeys(("lake", "Databricks", "Data Factory", "Power BI"), True), findings


def test_what_has_not_ended_in_time_is_given_up_and_the_rest_is_told():
    checks = [Check("quick", lambda: [Finding.ok("quick", "")]), Check("slow", lambda: time.sleep(5) or [])]
    started = time.monotonic()
    found = run_checks(checks, deadline=started + 0.3)
    assert [(finding.name, finding.found) for finding in found] == [("quick", ""), ("slow", "no answer within 0 s")]
    assert time.monotonic() - started < 1


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


def test_the_masking_key(setup: Setup):
    def check() -> tuple[str, str, str]:
        (finding,) = azure_services.check_masking_key()
        return finding.state, finding.found.removeprefix("for the pseudonyms of masked columns: "), finding.hint

    secret = "airflow-variables-midnight-masking-key"
    missing = (
        f"Key Vault midnight-test has no secret {secret!r} for 'midnight_masking_key'; "
        "no other secrets backend is tried"
    )
    assert check()[:2] == ("fail", missing)
    setup.cloud.key_vault.values[secret] = "canary"
    assert check() == ("fail", "it is not hexadecimal", f"make one with {GENERATE_KEY_COMMAND}")
    setup.cloud.key_vault.values[secret] = key = bytes(range(32)).hex()
    assert check() == ("ok", f"fingerprint {parse_key(key).fingerprint}", "")
    setup.cloud.key_vault.disabled.add(secret)
    assert check()[:2] == ("fail", f"the secret {secret!r} of Key Vault midnight-test is disabled (403)")


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


def test_connections_that_would_be_one_secret(setup: Setup):
    settings = setup.settings.model_copy(update={"lake_connection": "Midnight-Power_BI"})
    found = {f.name: f.found for f in azure_services.check_azure(settings, setup.loaded)}
    assert "'Midnight-Power_BI' and 'midnight_power_bi' are the same Key Vault secret" in found["connection names"]
