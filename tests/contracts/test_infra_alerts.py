"""The alerts of Azure Monitor in ``infra/alerts.tf``."""

import re

import pytest

from midnight.lake.paths import LakePaths
from midnight.settings import REPOSITORY
from tests.contracts.infra_module import only


@pytest.fixture
def log_alerts(terraform):
    return terraform.locals["log_alerts"]


@pytest.fixture
def metric_alerts(terraform):
    return terraform.locals["metric_alerts"]


def test_nothing_is_made_without_a_receiver(terraform):
    group = only(terraform.resources("azurerm_monitor_action_group"))
    assert group["count"] == "${local.alerting ? 1 : 0}"
    for type_ in ("azurerm_monitor_scheduled_query_rules_alert_v2", "azurerm_monitor_metric_alert"):
        assert "if alert.enabled && local.alerting" in only(terraform.resources(type_))["for_each"]
    assert terraform.of_kind("variable")[("alert_webhooks",)]["sensitive"] is True


def test_each_alert_says_what_to_do_next(log_alerts, metric_alerts):
    for alert in (*log_alerts.values(), *metric_alerts.values()):
        assert re.search(r" Next: .+\.$", alert["description"]), alert
        for page in re.findall(r"docs/[\w/-]+\.md", alert["description"]):
            assert (REPOSITORY / page).exists(), page


def test_the_publication_that_is_looked_for_is_the_one_that_is_written(terraform, log_alerts):
    container, _, path = LakePaths.in_account("account").published.removeprefix("abfss://").partition("/")
    assert f"'/{container.partition('@')[0]}/{path}'" in log_alerts["not-published"]["query"]
    # The lake's log has writes, and no operation but the one of a small file that is overwritten.
    assert "StorageWrite" in str(terraform.locals["logged"]["storage"])
    assert "OperationName == 'PutBlob'" in log_alerts["not-published"]["query"]


def test_a_query_answers_with_a_number_when_there_is_no_log_line(log_alerts):
    """An alert on rows would not be evaluated for an empty answer; one row with 0 or 1 always is."""
    assert log_alerts["not-published"]["query"].rstrip().splitlines()[-2].split() == [
        "|",
        "project",
        "found",
        "=",
        "iff(writes",
        "==",
        "0,",
        "1,",
        "0)",
    ]
    assert "summarize found = count()" in log_alerts["secret-expires"]["query"]


def test_metrics_are_those_of_the_services(metric_alerts):
    """Names and aggregations of Microsoft's "Supported metrics with Azure Monitor"."""
    assert {(a["namespace"], a["metric"], a["aggregation"]) for a in metric_alerts.values()} == {
        ("Microsoft.DataFactory/factories", "PipelineFailedRuns", "Total"),
        ("Microsoft.DataFactory/factories", "IntegrationRuntimeAvailableNodeNumber", "Average"),
        ("Microsoft.Synapse/workspaces", "BuiltinSqlPoolDataProcessedBytes", "Total"),
    }
    (dimension,) = metric_alerts["runtime-offline"]["dimensions"].items()
    assert dimension == (
        "IntegrationRuntimeName",
        ["${azurerm_data_factory_integration_runtime_self_hosted.source.name}"],
    )


def test_periods_are_those_that_azure_accepts(log_alerts, metric_alerts):
    frequencies = {"PT1M", "PT5M", "PT15M", "PT30M", "PT1H"}
    assert {alert["every"] for alert in metric_alerts.values()} <= frequencies
    assert {alert["window"] for alert in metric_alerts.values()} <= frequencies | {"PT6H", "PT12H", "P1D"}
    assert {alert["every"] for alert in log_alerts.values()} <= {*frequencies, "PT10M", "PT45M", "PT2H", "PT6H", "P1D"}
    # The longest range of a query, which a publication's maximal age must not exceed.
    assert {alert["range"] for alert in log_alerts.values()} <= {"P1D", "P2D"}


def test_the_vault_logs_expiry_since_somebody_receives_it(terraform, log_alerts):
    subscription = only(terraform.resources("azurerm_eventgrid_system_topic_event_subscription"))
    kinds = [kind.removeprefix("Microsoft.KeyVault.") for kind in subscription["included_event_types"]]
    assert re.findall(r"'(\w+)EventGridNotification'", log_alerts["secret-expires"]["query"]) == kinds
    assert subscription["delivery_identity"][0]["type"] == "SystemAssigned"  # the lake has no keys
    assert "azurerm_eventgrid_system_topic.vault.id" in str(
        terraform.resources("azurerm_storage_account_network_rules")
    )


def test_the_budget_reaches_the_same_people(terraform):
    budget = only(terraform.resources("azurerm_consumption_budget_subscription"))
    assert [n["contact_groups"] for n in budget["notification"]] == ["${local.action_groups}"] * 2
