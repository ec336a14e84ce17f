# Who did what, and what it costs.

resource "azurerm_log_analytics_workspace" "main" {
  name                         = local.name
  location                     = azurerm_resource_group.main.location
  resource_group_name          = azurerm_resource_group.main.name
  sku                          = "PerGB2018"
  retention_in_days            = var.logs.retention_days
  daily_quota_gb               = var.logs.daily_quota_gb
  local_authentication_enabled = false
  tags                         = local.tags
}

locals {
  # The lake's reads are not logged: a run reads every file that it works on, and each read is a line.
  logged = {
    storage      = { id = "${azurerm_storage_account.lake.id}/blobServices/default", categories = ["StorageWrite", "StorageDelete"] }
    key-vault    = { id = azurerm_key_vault.main.id, categories = [] }
    data-factory = { id = azurerm_data_factory.main.id, categories = [] }
    databricks   = { id = azurerm_databricks_workspace.main.id, categories = [] }
    synapse      = { id = azurerm_synapse_workspace.main.id, categories = [] }
  }
}

resource "azurerm_monitor_diagnostic_setting" "main" {
  for_each = local.logged

  name                           = "midnight"
  target_resource_id             = each.value.id
  log_analytics_workspace_id     = azurerm_log_analytics_workspace.main.id
  log_analytics_destination_type = each.key == "data-factory" ? "Dedicated" : null

  dynamic "enabled_log" {
    for_each = each.value.categories
    content {
      category = enabled_log.value
    }
  }
  dynamic "enabled_log" {
    for_each = length(each.value.categories) == 0 ? ["allLogs"] : []
    content {
      category_group = enabled_log.value
    }
  }
}

# The machines of Databricks and the storage of its workspace are billed in the managed resource groups, which a budget
# of the resource group alone does not see.
resource "azurerm_consumption_budget_subscription" "main" {
  name            = local.host
  subscription_id = "/subscriptions/${var.subscription_id}"
  amount          = var.budget.amount
  time_grain      = "Monthly"

  filter {
    dimension {
      name = "ResourceGroupName"
      values = [
        azurerm_resource_group.main.name,
        azurerm_databricks_workspace.main.managed_resource_group_name,
        azurerm_synapse_workspace.main.managed_resource_group_name,
      ]
    }
  }

  # A new budget must start in the current month; an existing one keeps its own start.
  time_period {
    start_date = formatdate("YYYY-MM-'01T00:00:00Z'", plantimestamp())
  }

  notification {
    operator       = "GreaterThanOrEqualTo"
    threshold      = 80
    threshold_type = "Actual"
    contact_emails = var.budget.emails
    contact_groups = local.action_groups
  }

  notification {
    operator       = "GreaterThan"
    threshold      = 100
    threshold_type = "Forecasted"
    contact_emails = var.budget.emails
    contact_groups = local.action_groups
  }

  lifecycle {
    ignore_changes = [time_period]
  }
}
