"""Private endpoints and subnets in ``infra/``; ``make scan`` cannot follow the switch for private endpoints."""

import re

from tests.contracts.infra_module import ENDPOINT, NAMES, only, read_files


def unreachable_without_endpoint(terraform):
    """Resources that are made through the workspace or another data plane, and do not wait for the way to it."""
    return {
        ".".join(labels)
        for labels in terraform.of_kind("resource")
        if labels[0].startswith("databricks_")
        or labels[0] in ("azurerm_synapse_role_assignment", "azurerm_key_vault_secret")
        if not {ENDPOINT, NAMES} <= terraform.waits_for(labels)
    }


def test_every_databricks_resource_waits_for_the_private_endpoint_and_its_name(terraform):
    assert unreachable_without_endpoint(terraform) == set()


def test_a_resource_that_does_not_wait_is_found():
    forgotten = read_files(databricks=(f"  depends_on = [{ENDPOINT}, {NAMES}]\n", ""))
    assert unreachable_without_endpoint(forgotten) == {"databricks_permission_assignment.group"}


def test_a_second_plan_does_not_change_a_delegation(terraform):
    """Azure adds these actions by itself ("az network vnet subnet list-available-delegations")."""
    join = "Microsoft.Network/virtualNetworks/subnets/join/action"
    policies = "Microsoft.Network/virtualNetworks/subnets/{}NetworkPolicies/action"
    assert terraform.locals["delegations"] == {
        "Microsoft.Databricks/workspaces": [join, policies.format("prepare"), policies.format("unprepare")],
        "Microsoft.PowerPlatform/vnetaccesslinks": [join],
    }
    services = set(re.findall(r'service = "(Microsoft[^"]+)"', terraform.texts["network.tf"]))
    assert services == terraform.locals["delegations"].keys()


def test_the_switch_closes_every_service(terraform):
    switch = "!var.private_endpoints"
    assert switch in only(terraform.resources("azurerm_key_vault"))["public_network_access_enabled"]
    assert switch in only(terraform.resources("azurerm_synapse_workspace"))["public_network_access_enabled"]
    assert switch in only(terraform.resources("azurerm_databricks_workspace"))["public_network_access_enabled"]
    assert switch in only(terraform.resources("azurerm_data_factory"))["public_network_enabled"]
    rules = only(terraform.resources("azurerm_storage_account_network_rules"))
    assert (rules["count"], rules["default_action"]) == ("${var.private_endpoints ? 1 : 0}", "Deny")
    assert "AzureServices" not in rules["bypass"]
    parts = re.findall(r'part = "(\w+)", zone = "([\w.]+)"', terraform.texts["network.tf"])
    assert dict(parts) == {
        "dfs": "privatelink.dfs.core.windows.net",
        "blob": "privatelink.blob.core.windows.net",
        "vault": "privatelink.vaultcore.azure.net",
        "dataFactory": "privatelink.datafactory.azure.net",
        "databricks_ui_api": "privatelink.azuredatabricks.net",
        "browser_authentication": "privatelink.azuredatabricks.net",
        "SqlOnDemand": "privatelink.sql.azuresynapse.net",
        "Dev": "privatelink.dev.azuresynapse.net",
    }
