# The factory and its self-hosted integration runtime, for a machine next to the PostgreSQL server
# (docs/integration-runtime.md). What they run is in data_factory_pipeline.tf.

resource "azurerm_data_factory" "main" {
  name                   = local.host
  location               = azurerm_resource_group.main.location
  resource_group_name    = azurerm_resource_group.main.name
  public_network_enabled = !var.private_endpoints
  tags                   = local.tags

  identity {
    type = "SystemAssigned"
  }
}

resource "azurerm_data_factory_integration_runtime_self_hosted" "source" {
  name            = "on-premises"
  data_factory_id = azurerm_data_factory.main.id
  description     = "Runs next to the source database and is the only part that connects to it."
}
