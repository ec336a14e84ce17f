# Synapse serverless SQL only: no dedicated pool, no Spark pool, nothing that costs while nobody asks.

resource "azurerm_synapse_workspace" "main" {
  name                                 = local.host
  location                             = azurerm_resource_group.main.location
  resource_group_name                  = azurerm_resource_group.main.name
  managed_resource_group_name          = "${local.host}-synapse"
  storage_data_lake_gen2_filesystem_id = "${azurerm_storage_account.lake.primary_dfs_endpoint}${azurerm_storage_container.lake["synapse"].name}"
  azuread_authentication_only          = true
  managed_virtual_network_enabled      = true
  public_network_access_enabled        = !var.private_endpoints || length(var.allowed_ip_addresses) > 0
  tags                                 = local.tags

  # Azure gives a workspace this login in any case, and another name would replace the workspace. Nobody can sign in
  # with it: only Entra identities are accepted, and there is no password.
  sql_administrator_login = "sqladminuser"

  identity {
    type = "SystemAssigned"
  }

  lifecycle {
    prevent_destroy = true # with the workspace its databases, users and grants would go

    # Each of these sends the whole update, with an empty password, and Synapse refuses it: "Azure Active Directory Only
    # Authentication is enabled" (hashicorp/terraform-provider-azurerm issue 25755, open). To change one of them see
    # docs/azure/terraform.md.
    ignore_changes = [
      tags,
      public_network_access_enabled,
      sql_administrator_login_password,
      customer_managed_key,
      azure_devops_repo,
      github_repo,
    ]
  }
}

resource "azurerm_synapse_firewall_rule" "allowed" {
  for_each = var.allowed_ip_addresses

  name                 = each.key
  synapse_workspace_id = azurerm_synapse_workspace.main.id
  start_ip_address     = each.value
  end_ip_address       = each.value
}

# The Power BI service comes from changing Azure addresses; this pseudo range (0.0.0.0) stands for all of Azure. Who
# comes in still needs an Entra identity with a grant.
resource "azurerm_synapse_firewall_rule" "azure" {
  count = var.private_endpoints ? 0 : 1

  name                 = "AllowAllWindowsAzureIps"
  synapse_workspace_id = azurerm_synapse_workspace.main.id
  start_ip_address     = "0.0.0.0"
  end_ip_address       = "0.0.0.0"
}

# Who signed in and ran which statement, in Log Analytics (monitoring.tf).
resource "azurerm_synapse_workspace_extended_auditing_policy" "main" {
  synapse_workspace_id   = azurerm_synapse_workspace.main.id
  log_monitoring_enabled = true
}
