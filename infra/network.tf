# Only with private_endpoints = true: a network, an endpoint for each service, and their DNS names. The network
# and the DNS zones are created here, or taken from the company's hub (var.existing_network).

locals {
  # endpoint -> the resource's part, and the DNS zone that Azure looks for
  endpoints = var.private_endpoints ? {
    storage-dfs  = { part = "dfs", zone = "privatelink.dfs.core.windows.net" }
    storage-blob = { part = "blob", zone = "privatelink.blob.core.windows.net" }
    key-vault    = { part = "vault", zone = "privatelink.vaultcore.azure.net" }
    data-factory = { part = "dataFactory", zone = "privatelink.datafactory.azure.net" }
    databricks   = { part = "databricks_ui_api", zone = "privatelink.azuredatabricks.net" }
    sign-in      = { part = "browser_authentication", zone = "privatelink.azuredatabricks.net" }
    synapse-sql  = { part = "SqlOnDemand", zone = "privatelink.sql.azuresynapse.net" }
    synapse-dev  = { part = "Dev", zone = "privatelink.dev.azuresynapse.net" }
  } : {}
  # Not in the map above: the Databricks workspace needs the network, and the network's zones come from that map.
  endpoint_targets = {
    storage-dfs  = azurerm_storage_account.lake.id
    storage-blob = azurerm_storage_account.lake.id
    key-vault    = azurerm_key_vault.main.id
    data-factory = azurerm_data_factory.main.id
    databricks   = azurerm_databricks_workspace.main.id
    sign-in      = azurerm_databricks_workspace.main.id
    synapse-sql  = azurerm_synapse_workspace.main.id
    synapse-dev  = azurerm_synapse_workspace.main.id
  }
  zones = toset([for endpoint in local.endpoints : endpoint.zone])

  # Each part of the network is created unless it is given.
  makes_network = var.private_endpoints && var.existing_network == null
  made_zones    = toset([for zone in local.zones : zone if var.existing_network == null])

  # The actions are those that Azure adds to a delegation by itself: without them every later plan would change the
  # subnet (az network vnet subnet list-available-delegations prints them).
  delegations = {
    "Microsoft.Databricks/workspaces" = [
      "Microsoft.Network/virtualNetworks/subnets/join/action",
      "Microsoft.Network/virtualNetworks/subnets/prepareNetworkPolicies/action",
      "Microsoft.Network/virtualNetworks/subnets/unprepareNetworkPolicies/action",
    ]
    "Microsoft.PowerPlatform/vnetaccesslinks" = [
      "Microsoft.Network/virtualNetworks/subnets/join/action",
    ]
  }
  # subnet -> its quarter of the network, and the service that it is delegated to (or none)
  subnets = local.makes_network ? {
    endpoints            = { position = 0, service = "" }
    databricks-host      = { position = 1, service = "Microsoft.Databricks/workspaces" }
    databricks-container = { position = 2, service = "Microsoft.Databricks/workspaces" }
    power-bi             = { position = 3, service = "Microsoft.PowerPlatform/vnetaccesslinks" } # its gateway to Synapse
  } : {}

  # The network of the endpoints and the Databricks workspace, created or given; all null without private endpoints.
  network = {
    id                  = try(coalesce(one(azurerm_virtual_network.main[*].id), try(var.existing_network.virtual_network_id, null)), null)
    endpoints_subnet_id = try(azurerm_subnet.main["endpoints"].id, var.existing_network.endpoints_subnet_id, null)
    zone_ids            = try(merge({ for zone, made in azurerm_private_dns_zone.main : zone => made.id }, try(var.existing_network.private_dns_zone_ids, {})), {})
    databricks_subnets = {
      # "This is the same as the ID of the subnet": the association's id is the subnet's (azurerm_databricks_workspace).
      for name, given in { host = try(var.existing_network.databricks_host_subnet_id, null), container = try(var.existing_network.databricks_container_subnet_id, null) } : name => {
        association_id          = try(azurerm_subnet_network_security_group_association.main["databricks-${name}"].id, given)
        name                    = try(azurerm_subnet.main["databricks-${name}"].name, basename(given), null)
      }
    }
  }
}

resource "azurerm_virtual_network" "main" {
  count = local.makes_network ? 1 : 0

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
        name    = delegation.value
        actions = local.delegations[delegation.value]
      }
    }
  }
}

# The default rules allow nothing from the internet. Databricks adds its own rules to those of its subnets.
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

# Clusters and the gateway have no public address, and Azure assigns none: this gateway is their outbound connection.
resource "azurerm_public_ip" "outbound" {
  count = local.makes_network ? 1 : 0

  name                = "${local.name}-outbound"
  location            = azurerm_resource_group.main.location
  resource_group_name = azurerm_resource_group.main.name
  allocation_method   = "Static"
  sku                 = "Standard"
  tags                = local.tags
}

resource "azurerm_nat_gateway" "outbound" {
  count = local.makes_network ? 1 : 0

  name                = "${local.name}-outbound"
  location            = azurerm_resource_group.main.location
  resource_group_name = azurerm_resource_group.main.name
  sku_name            = "Standard"
  tags                = local.tags
}

resource "azurerm_nat_gateway_public_ip_association" "outbound" {
  count = local.makes_network ? 1 : 0

  nat_gateway_id       = azurerm_nat_gateway.outbound[0].id
  public_ip_address_id = azurerm_public_ip.outbound[0].id
}

resource "azurerm_subnet_nat_gateway_association" "outbound" {
  for_each = { for name, subnet in local.subnets : name => subnet if subnet.service != "" }

  subnet_id      = azurerm_subnet.main[each.key].id
  nat_gateway_id = azurerm_nat_gateway.outbound[0].id
}

resource "azurerm_private_dns_zone" "main" {
  for_each = local.made_zones

  name                = each.key
  resource_group_name = azurerm_resource_group.main.name
  tags                = local.tags
}

resource "azurerm_private_dns_zone_virtual_network_link" "main" {
  for_each = local.made_zones

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
  subnet_id           = local.network.endpoints_subnet_id
  tags                = local.tags

  private_service_connection {
    name                           = each.key
    private_connection_resource_id = local.endpoint_targets[each.key]
    subresource_names              = [each.value.part]
    is_manual_connection           = false
  }

  # The zone group writes the endpoint's DNS record. In a hub where Azure Policy does that, no zone ids are given.
  dynamic "private_dns_zone_group" {
    for_each = contains(keys(local.network.zone_ids), each.value.zone) ? [local.network.zone_ids[each.value.zone]] : []
    content {
      name                 = "default"
      private_dns_zone_ids = [private_dns_zone_group.value]
    }
  }

  lifecycle {
    # Azure Policy may add the zone group later.
    ignore_changes = [private_dns_zone_group]
  }
}
