# Connections, the masking key and the source's password. Roles decide who reads (access.yml), not access policies.

resource "azurerm_key_vault" "main" {
  name                = local.host
  location            = azurerm_resource_group.main.location
  resource_group_name = azurerm_resource_group.main.name
  tenant_id           = data.azurerm_client_config.caller.tenant_id
  sku_name            = "standard"
  tags                = local.tags

  rbac_authorization_enabled    = true
  purge_protection_enabled      = true
  soft_delete_retention_days    = 90
  public_network_access_enabled = !var.private_endpoints || length(var.allowed_ip_addresses) > 0

  network_acls {
    default_action = "Deny"
    bypass         = "AzureServices" # Data Factory reads the source's password
    ip_rules       = values(var.allowed_ip_addresses)
  }

  lifecycle {
    prevent_destroy = true
  }
}

# Secrets on which access.yml gives a role: they must exist before the role can be assigned. The real values are stored
# by a person (docs/azure/secrets.md) as a new version. value_wo is never written to the state, and Terraform never
# changes these secrets again.
resource "azurerm_key_vault_secret" "placeholder" {
  for_each = {
    source_password = "source-password"
    masking_key     = "airflow-variables-midnight-masking-key"
  }

  name             = each.value
  key_vault_id     = azurerm_key_vault.main.id
  content_type     = "text/plain"
  value_wo         = "not set yet: see docs/azure/secrets.md"
  value_wo_version = 1
  tags             = local.tags

  lifecycle {
    ignore_changes = all
  }

  # The deployer writes as a member of the group admins, whose role is assigned in the same apply.
  depends_on = [time_sleep.roles, azurerm_private_endpoint.main, azurerm_private_dns_zone_virtual_network_link.main]
}
