# Everything of one environment is in one resource group. Each topic has its own file.

data "azurerm_client_config" "caller" {}

locals {
  name = "midnight-${var.environment}"               # inside the subscription
  host = "midnight-${var.environment}-${var.suffix}" # globally unique

  tags = merge(var.tags, { project = "midnight", environment = var.environment })
}

resource "azurerm_resource_group" "main" {
  name     = local.name
  location = var.location
  tags     = local.tags
}

# Identities of Airflow on a machine in Azure; they have no passwords (access.yml: airflow and
# serving).
resource "azurerm_user_assigned_identity" "airflow" {
  for_each = toset(var.airflow_service_principal == null ? ["airflow", "serving"] : [])

  name                = "${local.name}-${each.key}"
  location            = azurerm_resource_group.main.location
  resource_group_name = azurerm_resource_group.main.name
  tags                = local.tags
}

locals {
  airflow_object_id = (var.airflow_service_principal == null
    ? azurerm_user_assigned_identity.airflow["airflow"].principal_id
    : var.airflow_service_principal.object_id
  )
  airflow_client_id = (var.airflow_service_principal == null
    ? azurerm_user_assigned_identity.airflow["airflow"].client_id
    : var.airflow_service_principal.client_id
  )
}
