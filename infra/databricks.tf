# The workspace, and its permissions on the lake.

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

  managed_resource_group_name = "${local.host}-databricks" # included in the budget

  public_network_access_enabled         = !var.private_endpoints
  network_security_group_rules_required = var.private_endpoints ? "NoAzureDatabricksRules" : null

  # Clusters never have public addresses; with private endpoints they run in Midnight's network.
  custom_parameters {
    no_public_ip             = true
    storage_account_sku_name = "Standard_LRS" # for notebooks and cluster logs; Midnight stores nothing there
    virtual_network_id       = local.network.id
    public_subnet_name       = local.network.databricks_subnets["host"].name
    private_subnet_name      = local.network.databricks_subnets["container"].name

    public_subnet_network_security_group_association_id  = local.network.databricks_subnets["host"].association_id
    private_subnet_network_security_group_association_id = local.network.databricks_subnets["container"].association_id
  }

  # The clusters' outbound gateway must exist before the first cluster starts.
  depends_on = [azurerm_subnet_nat_gateway_association.outbound]
}

# --- Members of the workspace -----------------------------------------------------------------------------------------
# Every databricks_* resource waits for the workspace's private endpoint and for the link that makes its name known in
# the network: with private endpoints there is no other path to the workspace (docs/azure/terraform.md, two phases).

# The account has the Entra groups by automatic identity management; their members come from there.
data "databricks_group" "member" {
  for_each = local.databricks_groups
  provider = databricks.account

  display_name = each.value

  lifecycle {
    postcondition {
      condition     = self.external_id == var.groups[each.key]
      error_message = "The Databricks account's group ${each.value} is not the Entra group ${var.groups[each.key]}: its external id is '${self.external_id}'. Resolve the Entra group into the account (docs/azure/identities.md)."
    }
  }
}

resource "databricks_permission_assignment" "group" {
  for_each = local.databricks_groups

  principal_id = data.databricks_group.member[each.key].id
  permissions  = [each.key == "admins" ? "ADMIN" : "USER"]

  depends_on = [azurerm_private_endpoint.main, azurerm_private_dns_zone_virtual_network_link.main]
}

resource "databricks_service_principal" "airflow" {
  provider = databricks.account

  application_id = local.airflow_client_id
  display_name   = "${local.name}-airflow"
  force          = true # a teardown leaves it in the account, deactivated

  depends_on = [azurerm_private_endpoint.main, azurerm_private_dns_zone_virtual_network_link.main]
}

resource "databricks_permission_assignment" "airflow" {
  principal_id = databricks_service_principal.airflow.id
  permissions  = ["USER"] # without the entitlement to create clusters: only through the policy

  depends_on = [azurerm_private_endpoint.main, azurerm_private_dns_zone_virtual_network_link.main]
}

# --- The lake in Unity Catalog ----------------------------------------------------------------------------------------
# Only the access connector's identity accesses files. The group admins owns credential and locations, so that no
# single person does.

resource "databricks_storage_credential" "lake" {
  count = var.databricks.unity_catalog ? 1 : 0

  name           = local.host # unique in the metastore, which several workspaces share
  comment        = "Identity of the access connector ${azurerm_databricks_access_connector.main.name}."
  owner          = databricks_permission_assignment.group["admins"].display_name
  isolation_mode = "ISOLATION_MODE_ISOLATED"

  azure_managed_identity {
    access_connector_id = azurerm_databricks_access_connector.main.id
  }

  depends_on = [
    time_sleep.roles, # Unity Catalog tests reading and writing when a location is created
    azurerm_private_endpoint.main,
    azurerm_private_dns_zone_virtual_network_link.main,
  ]
}

resource "databricks_external_location" "lake" {
  for_each = var.databricks.unity_catalog ? toset(["bronze", "silver", "gold"]) : toset([])

  name            = "${local.host}-${each.key}"
  url             = "abfss://${azurerm_storage_container.lake[each.key].name}@${azurerm_storage_account.lake.primary_dfs_host}/"
  credential_name = databricks_storage_credential.lake[0].name
  owner           = databricks_permission_assignment.group["admins"].display_name
  read_only       = each.key == "bronze"
  isolation_mode  = "ISOLATION_MODE_ISOLATED"

  depends_on = [
    time_sleep.roles,
    azurerm_private_endpoint.main,
    azurerm_private_dns_zone_virtual_network_link.main,
  ]
}

resource "databricks_grants" "lake" {
  for_each = databricks_external_location.lake

  external_location = each.value.id
  grant {
    principal  = databricks_service_principal.airflow.application_id
    privileges = each.key == "bronze" ? ["READ_FILES"] : ["READ_FILES", "WRITE_FILES"]
  }

  depends_on = [
    databricks_permission_assignment.airflow,
    azurerm_private_endpoint.main,
    azurerm_private_dns_zone_virtual_network_link.main,
  ]
}

# --- Compute of jobs --------------------------------------------------------------------------------------------------

locals {
  # Source of names and types: "Compute policy reference" in Azure Databricks' documentation. "forbidden": the attribute
  # may not be given. A driver without a type of its own has the workers' type.
  cluster_policy = merge(
    {
      "cluster_type"                     = { type = "fixed", value = "job" }
      "spark_version"                    = { type = "regex", pattern = "18\\.([0-9]+\\.)?x-scala2\\.13" } # 18 LTS is 18.x
      "runtime_engine"                   = { type = "allowlist", values = [var.databricks.runtime_engine], isOptional = var.databricks.runtime_engine == "STANDARD" }
      "driver_node_type_id"              = { type = "forbidden" }
      "driver_instance_pool_id"          = { type = "forbidden" }
      "num_workers"                      = { type = "range", minValue = 0, maxValue = var.databricks.max_workers, isOptional = true }
      "data_security_mode"               = { type = "fixed", value = var.databricks.unity_catalog ? "SINGLE_USER" : "NONE" }
      "azure_attributes.availability"    = { type = "allowlist", values = ["SPOT_WITH_FALLBACK_AZURE", "ON_DEMAND_AZURE"], isOptional = true }
      "azure_attributes.first_on_demand" = { type = "range", minValue = 1, isOptional = true } # the driver
      "custom_tags.project"              = { type = "fixed", value = "midnight" }
      "docker_image.url"                 = { type = "forbidden" }
    },
    # Init scripts, which run as root before Spark starts, from every possible source.
    { for place in ["workspace", "volumes", "abfss", "dbfs", "file", "s3", "gcs"] : "init_scripts.*.${place}.destination" => { type = "forbidden" } },
    { for bound in ["min", "max"] : "autoscale.${bound}_workers" => { type = "range", minValue = 1, maxValue = var.databricks.max_workers, isOptional = true } if var.databricks.max_workers > 0 },
    { for bound in ["min", "max"] : "autoscale.${bound}_workers" => { type = "forbidden" } if var.databricks.max_workers == 0 },
    { for values in [var.databricks.node_types] : "node_type_id" => { type = "allowlist", values = values } if var.databricks.instance_pool_id == null },
    { for pool in [var.databricks.instance_pool_id] : "instance_pool_id" => { type = "fixed", value = pool } if pool != null },
    # Exactly one of the two is allowed.
    { (var.databricks.instance_pool_id == null ? "instance_pool_id" : "node_type_id") = { type = "forbidden" } },
  )
}

resource "databricks_cluster_policy" "job" {
  name        = local.name
  description = "Job clusters of the nightly run."
  definition  = jsonencode(local.cluster_policy)

  depends_on = [azurerm_private_endpoint.main, azurerm_private_dns_zone_virtual_network_link.main]
}

resource "databricks_permissions" "job_policy" {
  cluster_policy_id = databricks_cluster_policy.job.id

  dynamic "access_control" {
    for_each = setintersection(local.cluster_policy_users, keys(local.databricks_groups))
    content {
      group_name       = databricks_permission_assignment.group[access_control.value].display_name
      permission_level = "CAN_USE"
    }
  }
  dynamic "access_control" {
    for_each = contains(local.cluster_policy_users, "airflow") ? [databricks_service_principal.airflow.application_id] : []
    content {
      service_principal_name = access_control.value
      permission_level       = "CAN_USE"
    }
  }

  depends_on = [
    databricks_permission_assignment.airflow,
    azurerm_private_endpoint.main,
    azurerm_private_dns_zone_virtual_network_link.main,
  ]
}

# --- The code that a job runs -----------------------------------------------------------------------------------------

# The wheel's folder: write access to it controls the code that runs with the job's rights. Not below /Shared, which every user of a
# workspace manages.
resource "databricks_directory" "wheels" {
  path = "/midnight-wheels"

  depends_on = [azurerm_private_endpoint.main, azurerm_private_dns_zone_virtual_network_link.main]
}

resource "databricks_permissions" "wheels" {
  directory_path = databricks_directory.wheels.path

  dynamic "access_control" {
    for_each = setintersection(local.wheel_deployers, keys(local.databricks_groups))
    content {
      group_name       = databricks_permission_assignment.group[access_control.value].display_name
      permission_level = "CAN_MANAGE"
    }
  }
  access_control {
    service_principal_name = databricks_service_principal.airflow.application_id # the job runs as it
    permission_level       = "CAN_READ"
  }

  depends_on = [
    databricks_permission_assignment.airflow,
    azurerm_private_endpoint.main,
    azurerm_private_dns_zone_virtual_network_link.main,
  ]
}

# The masking key for the job (docs/masking.md): one secret in one vault. Databricks creates such a scope only for a
# signed-in user (az login), not for a service principal.
resource "databricks_secret_scope" "vault" {
  name = local.name

  keyvault_metadata {
    resource_id = azurerm_key_vault.main.id
    dns_name    = azurerm_key_vault.main.vault_uri
  }

  depends_on = [
    azurerm_role_assignment.secret,
    azurerm_private_endpoint.main,
    azurerm_private_dns_zone_virtual_network_link.main,
  ]
}

resource "databricks_secret_acl" "airflow" {
  scope      = databricks_secret_scope.vault.name
  principal  = databricks_service_principal.airflow.application_id # the job runs as it
  permission = "READ"

  depends_on = [
    databricks_permission_assignment.airflow,
    azurerm_private_endpoint.main,
    azurerm_private_dns_zone_virtual_network_link.main,
  ]
}
