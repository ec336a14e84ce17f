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
}
