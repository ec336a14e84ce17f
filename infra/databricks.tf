# The workspace, and what it may do with the lake.

resource "azurerm_databricks_access_connector" "main" {
  name                = "${local.name}-databricks"
  location            = azurerm_resource_group.main.location
  resource_group_name = azurerm_resource_group.main.name
  tags                = local.tags

  identity {
    type = "SystemAssigned"
  }
}

resource "azurerm_databricks_workspace" "main" {
  name                = local.name
  location            = azurerm_resource_group.main.location
  resource_group_name = azurerm_resource_group.main.name
  sku                 = "premium" # access control and cluster policies need it
  tags                = local.tags

  public_network_access_enabled         = !var.private_endpoints
  network_security_group_rules_required = var.private_endpoints ? "NoAzureDatabricksRules" : null

  # Clusters never have public addresses; with private endpoints they run in our network.
  custom_parameters {
    no_public_ip        = true
    virtual_network_id  = one(azurerm_virtual_network.main[*].id)
    public_subnet_name  = try(azurerm_subnet.main["databricks-host"].name, null)
    private_subnet_name = try(azurerm_subnet.main["databricks-container"].name, null)
    public_subnet_network_security_group_association_id = try(
      azurerm_subnet_network_security_group_association.main["databricks-host"].id, null
    )
    private_subnet_network_security_group_association_id = try(
      azurerm_subnet_network_security_group_association.main["databricks-container"].id, null
    )
  }
}

# Unity Catalog: the access connector's identity is the only one that touches files.
resource "databricks_storage_credential" "lake" {
  count = var.databricks.unity_catalog ? 1 : 0

  name           = local.name
  comment        = "Identity of the access connector ${azurerm_databricks_access_connector.main.name}."
  isolation_mode = "ISOLATION_MODE_ISOLATED"

  azure_managed_identity {
    access_connector_id = azurerm_databricks_access_connector.main.id
  }
  depends_on = [azurerm_role_assignment.main]
}

resource "databricks_external_location" "lake" {
  for_each = var.databricks.unity_catalog ? toset(["bronze", "silver", "gold"]) : toset([])

  name            = "${local.name}-${each.key}"
  url             = "abfss://${azurerm_storage_container.lake[each.key].name}@${azurerm_storage_account.lake.primary_dfs_host}/"
  credential_name = databricks_storage_credential.lake[0].name
  read_only       = each.key == "bronze"
  isolation_mode  = "ISOLATION_MODE_ISOLATED"
}

resource "databricks_grants" "lake" {
  for_each = databricks_external_location.lake

  external_location = each.value.id
  grant {
    principal  = databricks_service_principal.airflow.application_id
    privileges = each.key == "bronze" ? ["READ_FILES"] : ["READ_FILES", "WRITE_FILES"]
  }
}

resource "databricks_service_principal" "airflow" {
  application_id       = local.airflow_client_id
  display_name         = "${local.name}-airflow"
  allow_cluster_create = false # only clusters that the policy allows
}

resource "databricks_group" "member" {
  for_each = toset([for key in var.cluster_policy_users[var.environment] : key if contains(keys(var.groups), key)])

  display_name = "midnight-${each.key}"
  external_id  = var.groups[each.key] # the Entra group, so that its members come from there
  force        = true                 # it may have come in by synchronisation already
}

resource "databricks_cluster_policy" "job" {
  name        = local.name
  description = "Job clusters of the nightly run."
  definition = jsonencode({
    "cluster_type"                     = { type = "fixed", value = "job" }
    "spark_version"                    = { type = "regex", pattern = "18\\.([0-9]+\\.)?x-scala2\\.13" } # 18 LTS is 18.x
    "node_type_id"                     = { type = "allowlist", values = var.databricks.node_types, isOptional = true } # a pool has its own
    "num_workers"                      = { type = "range", minValue = 0, maxValue = var.databricks.max_workers, isOptional = true }
    "autoscale.min_workers"            = { type = "range", minValue = 1, maxValue = var.databricks.max_workers, isOptional = true }
    "autoscale.max_workers"            = { type = "range", minValue = 1, maxValue = var.databricks.max_workers, isOptional = true }
    "data_security_mode"               = { type = "fixed", value = var.databricks.unity_catalog ? "SINGLE_USER" : "NONE" }
    "azure_attributes.availability"    = { type = "allowlist", values = ["SPOT_WITH_FALLBACK_AZURE", "ON_DEMAND_AZURE"], isOptional = true }
    "azure_attributes.first_on_demand" = { type = "range", minValue = 1, isOptional = true } # the driver
    "custom_tags.project"              = { type = "fixed", value = "midnight" }
  })
}

resource "databricks_permissions" "job_policy" {
  cluster_policy_id = databricks_cluster_policy.job.id

  dynamic "access_control" {
    for_each = databricks_group.member
    content {
      group_name       = access_control.value.display_name
      permission_level = "CAN_USE"
    }
  }
  dynamic "access_control" {
    for_each = contains(var.cluster_policy_users[var.environment], "airflow") ? [databricks_service_principal.airflow.application_id] : []
    content {
      service_principal_name = access_control.value
      permission_level       = "CAN_USE"
    }
  }
}

# The masking key for the job (docs/silver.md): one secret in one vault. Databricks makes such a scope only for a person
# who is signed in (az login), not for a service principal.
resource "databricks_secret_scope" "vault" {
  name = local.name

  keyvault_metadata {
    resource_id = azurerm_key_vault.main.id
    dns_name    = azurerm_key_vault.main.vault_uri
  }
}

resource "databricks_secret_acl" "airflow" {
  scope      = databricks_secret_scope.vault.name
  principal  = databricks_service_principal.airflow.application_id # the job runs as it
  permission = "READ"
}
