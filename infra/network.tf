# Only with private_endpoints = true: a network, an endpoint for each service, and the names that lead to them. Connect
# the company's network to it (peering, VPN or ExpressRoute) and forward these zones.

locals {
  # endpoint -> the resource, its part, and the DNS zone that Azure looks for
  endpoints = var.private_endpoints ? {
    storage-dfs  = { id = azurerm_storage_account.lake.id, part = "dfs", zone = "privatelink.dfs.core.windows.net" }
    storage-blob = { id = azurerm_storage_account.lake.id, part = "blob", zone = "privatelink.blob.core.windows.net" }
    key-vault    = { id = azurerm_key_vault.main.id, part = "vault", zone = "privatelink.vaultcore.azure.net" }
    data-factory = { id = azurerm_data_factory.main.id, part = "dataFactory", zone = "privatelink.datafactory.azure.net" }
    databricks   = { id = azurerm_databricks_workspace.main.id, part = "databricks_ui_api", zone = "privatelink.azuredatabricks.net" }
    sign-in      = { id = azurerm_databricks_workspace.main.id, part = "browser_authentication", zone = "privatelink.azuredatabricks.net" }
    synapse-sql  = { id = azurerm_synapse_workspace.main.id, part = "SqlOnDemand", zone = "privatelink.sql.azuresynapse.net" }
    synapse-dev  = { id = azurerm_synapse_workspace.main.id, part = "Dev", zone = "privatelink.dev.azuresynapse.net" }
  } : {}
  # subnet -> its quarter of the network, and the service that puts its machines there (or none)
  subnets = var.private_endpoints ? {
    endpoints            = { position = 0, service = "" }
    databricks-host      = { position = 1, service = "Microsoft.Databricks/workspaces" }
    databricks-container = { position = 2, service = "Microsoft.Databricks/workspaces" }
    power-bi             = { position = 3, service = "Microsoft.PowerPlatform/vnetaccesslinks" } # its gateway to Synapse
  } : {}
  zones = toset([for endpoint in local.endpoints : endpoint.zone])
}

resource "azurerm_virtual_network" "main" {
  count = var.private_endpoints ? 1 : 0

  name                = local.name
  location            = azurerm_resource_group.main.location
  resource_group_name = azurerm_resource_group.main.name
  address_space       = [var.network_address_space]
  tags                = local.tags
}

resource "azurerm_subnet" "main" {
  for_each = local.subnets

  name                            = each.key
  resource_group_name             = azurerm_resource_group.main.name
  virtual_network_name            = azurerm_virtual_network.main[0].name
  address_prefixes                = [cidrsubnet(var.network_address_space, 2, each.value.position)]
  default_outbound_access_enabled = false

  dynamic "delegation" {
    for_each = each.value.service == "" ? [] : [each.value.service]
    content {
      name = "service"
      service_delegation {
        name = delegation.value
      }
    }
  }
}

# The default rules let in nothing from the internet. Databricks writes its own into those of its subnets.
resource "azurerm_network_security_group" "main" {
  for_each = local.subnets

  name                = "${local.name}-${each.key}"
  location            = azurerm_resource_group.main.location
  resource_group_name = azurerm_resource_group.main.name
  tags                = local.tags

  lifecycle {
    ignore_changes = [security_rule]
  }
}

resource "azurerm_subnet_network_security_group_association" "main" {
  for_each = local.subnets

  subnet_id                 = azurerm_subnet.main[each.key].id
  network_security_group_id = azurerm_network_security_group.main[each.key].id
}

# Clusters and the gateway have no public address, and Azure gives none by itself: they reach their own services
# through this one.
resource "azurerm_public_ip" "outbound" {
  count = var.private_endpoints ? 1 : 0

  name                = "${local.name}-outbound"
  location            = azurerm_resource_group.main.location
  resource_group_name = azurerm_resource_group.main.name
  allocation_method   = "Static"
  sku                 = "Standard"
  tags                = local.tags
}

resource "azurerm_nat_gateway" "outbound" {
  count = var.private_endpoints ? 1 : 0

  name                = "${local.name}-outbound"
  location            = azurerm_resource_group.main.location
  resource_group_name = azurerm_resource_group.main.name
  sku_name            = "Standard"
  tags                = local.tags
}

resource "azurerm_nat_gateway_public_ip_association" "outbound" {
  count = var.private_endpoints ? 1 : 0

  nat_gateway_id       = azurerm_nat_gateway.outbound[0].id
  public_ip_address_id = azurerm_public_ip.outbound[0].id
}

resource "azurerm_subnet_nat_gateway_association" "outbound" {
  for_each = { for name, subnet in local.subnets : name => subnet if subnet.service != "" }

  subnet_id      = azurerm_subnet.main[each.key].id
  nat_gateway_id = azurerm_nat_gateway.outbound[0].id
}

resource "azurerm_private_dns_zone" "main" {
  for_each = local.zones

  name                = each.key
  resource_group_name = azurerm_resource_group.main.name
  tags                = local.tags
}

resource "azurerm_private_dns_zone_virtual_network_link" "main" {
  for_each = local.zones

  name                = local.name
  private_dns_zone_id = azurerm_private_dns_zone.main[each.key].id
  virtual_network_id  = azurerm_virtual_network.main[0].id
  tags                = local.tags
}

resource "azurerm_private_endpoint" "main" {
  for_each = local.endpoints

  name                = "${local.name}-${each.key}"
  location            = azurerm_resource_group.main.location
  resource_group_name = azurerm_resource_group.main.name
  subnet_id           = azurerm_subnet.main["endpoints"].id
  tags                = local.tags

  private_service_connection {
    name                           = each.key
    private_connection_resource_id = each.value.id
    subresource_names              = [each.value.part]
    is_manual_connection           = false
  }

  private_dns_zone_group {
    name                 = "default"
    private_dns_zone_ids = [azurerm_private_dns_zone.main[each.value.zone].id]
  }
}
