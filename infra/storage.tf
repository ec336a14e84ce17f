# The lake: ADLS Gen2, opened by identities only.

resource "azurerm_storage_account" "lake" {
  name                     = "midnight${var.environment}${var.suffix}"
  location                 = azurerm_resource_group.main.location
  resource_group_name      = azurerm_resource_group.main.name
  account_kind             = "StorageV2"
  account_tier             = "Standard"
  account_replication_type = var.storage_replication
  is_hns_enabled           = true
  tags                     = local.tags

  shared_access_key_enabled         = false
  default_to_oauth_authentication   = true
  local_user_enabled                = false
  allow_nested_items_to_be_public   = false
  cross_tenant_replication_enabled  = false
  allowed_copy_scope                = "AAD"
  https_traffic_only_enabled        = true
  min_tls_version                   = "TLS1_2"
  infrastructure_encryption_enabled = true

  blob_properties {
    delete_retention_policy {
      days = var.soft_delete_days
    }
    container_delete_retention_policy {
      days = var.soft_delete_days
    }
  }

  lifecycle {
    prevent_destroy = true # bronze cannot be recomputed
  }
}

# synapse is the workspace's own file system, which it asks for; nothing of Midnight is in it.
resource "azurerm_storage_container" "lake" {
  for_each = toset(["bronze", "silver", "gold", "synapse"])

  name                  = each.key
  storage_account_id    = azurerm_storage_account.lake.id
  container_access_type = "private"
}

resource "azurerm_storage_management_policy" "lake" {
  storage_account_id = azurerm_storage_account.lake.id

  rule {
    name    = "bronze"
    enabled = true
    filters {
      blob_types   = ["blockBlob"]
      prefix_match = ["bronze/"]
    }
    actions {
      base_blob {
        tier_to_cool_after_days_since_modification_greater_than = var.bronze_lifecycle.cool_after_days
        tier_to_cold_after_days_since_modification_greater_than = var.bronze_lifecycle.cold_after_days
        delete_after_days_since_modification_greater_than       = var.bronze_lifecycle.delete_after_days
      }
    }
  }
}

# With private endpoints, only they and these four services reach the lake. They are named one by one: "trusted
# services" as a whole would allow anybody's. Without private endpoints every address may ask, and identities alone
# decide: a job cluster in Databricks' own network has no address that a rule could name (docs/adr/0026).
resource "azurerm_storage_account_network_rules" "lake" {
  count = var.private_endpoints ? 1 : 0

  storage_account_id = azurerm_storage_account.lake.id
  default_action     = "Deny"
  bypass             = ["Logging", "Metrics"]
  ip_rules           = values(var.allowed_ip_addresses)

  private_link_access {
    endpoint_resource_id = azurerm_synapse_workspace.main.id
  }
  private_link_access {
    endpoint_resource_id = azurerm_databricks_access_connector.main.id
  }
  private_link_access {
    endpoint_resource_id = azurerm_data_factory.main.id
  }
  private_link_access {
    endpoint_resource_id = azurerm_eventgrid_system_topic.vault.id
  }
}

# A lock against an accident with the portal or Terraform; docs/azure.md says how to take it off.
resource "azurerm_management_lock" "lake" {
  count = var.environment == "prod" ? 1 : 0

  name       = "bronze-cannot-be-recomputed"
  scope      = azurerm_storage_account.lake.id
  lock_level = "CanNotDelete"
  notes      = "Bronze is the only part of Midnight that cannot be made again."
}
