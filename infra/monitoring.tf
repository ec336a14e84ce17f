# Who did what, and what it costs.

resource "azurerm_log_analytics_workspace" "main" {
  name                         = local.name
  location                     = azurerm_resource_group.main.location
  resource_group_name          = azurerm_resource_group.main.name
  sku                          = "PerGB2018"
  retention_in_days            = var.log_retention_days
  local_authentication_enabled = false
  tags                         = local.tags
}

locals {
  logged = {
    storage      = "${azurerm_storage_account.lake.id}/blobServices/default"
    key-vault    = azurerm_key_vault.main.id
    data-factory = azurerm_data_factory.main.id
    databricks   = azurerm_databricks_workspace.main.id
    synapse      = azurerm_synapse_workspace.main.id
  }
}

resource "azurerm_monitor_diagnostic_setting" "main" {
  for_each = local.logged

  name                           = "midnight"
  target_resource_id             = each.value
  log_analytics_workspace_id     = azurerm_log_analytics_workspace.main.id
  log_analytics_destination_type = each.key == "data-factory" ? "Dedicated" : null

  enabled_log {
    category_group = "allLogs"
  }
}

resource "azurerm_consumption_budget_resource_group" "main" {
  name              = local.name
  resource_group_id = azurerm_resource_group.main.id
  amount            = var.budget.amount
  time_grain        = "Monthly"

  time_period {
    start_date = var.budget.start_date
  }

  notification {
    operator       = "GreaterThanOrEqualTo"
    threshold      = 80
    threshold_type = "Actual"
    contact_emails = var.budget.emails
  }

  notification {
    operator       = "GreaterThan"
    threshold      = 100
    threshold_type = "Forecasted"
    contact_emails = var.budget.emails
  }
}
