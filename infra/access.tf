# Azure role assignments, Synapse administrators and Databricks principals, read from access.yml.

locals {
  access = yamldecode(file("${path.module}/access.yml"))

  # A grant without "environments" applies to every environment.
  azure_grants      = [for grant in local.access.azure : grant if contains(try(grant.environments, [var.environment]), var.environment)]
  synapse_grants    = [for grant in local.access.synapse : grant if contains(try(grant.environments, [var.environment]), var.environment)]
  databricks_grants = [for grant in local.access.databricks : grant if contains(try(grant.environments, [var.environment]), var.environment)]

  # Readable keys for the plan; removing a grant removes one assignment.
  assignments = {
    for grant in local.azure_grants : "${grant.principal} | ${grant.scope} | ${grant.role}" => {
      principal = grant.principal
      role      = grant.role
      role_id   = try(grant.role_id, null) # none: a custom role
      scope     = grant.scope
      why       = grant.why
    }
  }
  # Roles on one secret are assigned after the secret exists, and the secrets after the deployer's own role.
  secret_assignments = { for key, grant in local.assignments : key => grant if startswith(grant.scope, "key_vault/") }
  other_assignments  = { for key, grant in local.assignments : key => grant if !startswith(grant.scope, "key_vault/") }

  synapse_administrators = toset([for grant in local.synapse_grants : grant.principal if grant.permission == "sql_administrator"])
  cluster_policy_users   = toset([for grant in local.databricks_grants : grant.principal if grant.permission == "cluster_policy_use"])
  wheel_deployers        = toset([for grant in local.databricks_grants : grant.principal if grant.permission == "wheel_deploy"])
  databricks_groups = {
    for key in distinct(local.databricks_grants[*].principal) : key => local.access.principals[key].name
    if local.access.principals[key].kind == "group"
  }

  principal_ids = merge(var.groups, {
    airflow    = local.airflow_object_id
    adf        = azurerm_data_factory.main.identity[0].principal_id
    databricks = azurerm_databricks_access_connector.main.identity[0].principal_id
    synapse    = azurerm_synapse_workspace.main.identity[0].principal_id

    vault_events       = azurerm_eventgrid_system_topic.vault.identity[0].principal_id
    databricks_service = var.databricks_service_object_id
  })

  containers = "${azurerm_storage_account.lake.id}/blobServices/default/containers"
  scopes = {
    "resource_group" = azurerm_resource_group.main.id
    "storage"        = azurerm_storage_account.lake.id
    "storage/bronze" = "${local.containers}/${azurerm_storage_container.lake["bronze"].name}"
    "storage/silver" = "${local.containers}/${azurerm_storage_container.lake["silver"].name}"
    "storage/gold"   = "${local.containers}/${azurerm_storage_container.lake["gold"].name}"
    "key_vault"      = azurerm_key_vault.main.id
    "data_factory"   = azurerm_data_factory.main.id
  }
  secret_scopes = {
    "key_vault/source_password" = azurerm_key_vault_secret.placeholder["source_password"].resource_versionless_id
    "key_vault/masking_key"     = azurerm_key_vault_secret.placeholder["masking_key"].resource_versionless_id
  }
}

# Azure's own built-in roles, to compare the GUIDs.
data "azurerm_role_definition" "built_in" {
  for_each = toset([for grant in local.assignments : grant.role if grant.role_id != null])

  name  = each.key
  scope = "/subscriptions/${var.subscription_id}"
}

resource "azurerm_role_definition" "custom" {
  for_each = local.access.custom_roles

  name              = "${each.key} (${var.environment} ${var.suffix})" # unique in the tenant
  scope             = azurerm_resource_group.main.id
  assignable_scopes = [azurerm_resource_group.main.id]
  description       = each.value.description

  permissions {
    actions = each.value.actions
  }
}

resource "azurerm_role_assignment" "main" {
  for_each = local.other_assignments

  scope          = local.scopes[each.value.scope]
  principal_id   = local.principal_ids[each.value.principal]
  principal_type = contains(keys(var.groups), each.value.principal) ? "Group" : "ServicePrincipal"
  description    = each.value.why
  role_definition_id = (each.value.role_id == null
    ? azurerm_role_definition.custom[each.value.role].role_definition_resource_id
    : "/subscriptions/${var.subscription_id}/providers/Microsoft.Authorization/roleDefinitions/${each.value.role_id}"
  )

  lifecycle {
    precondition {
      # Not with ||: before Terraform 1.12 its right side is evaluated always, and a custom role is not in the list.
      condition = (each.value.role_id == null ? true
        : basename(data.azurerm_role_definition.built_in[each.value.role].role_definition_id) == each.value.role_id
      )
      error_message = "${each.key}: the role's id is not ${coalesce(each.value.role_id, "none")}; fix access.yml."
    }
  }
}

resource "azurerm_role_assignment" "secret" {
  for_each = local.secret_assignments

  scope              = local.secret_scopes[each.value.scope]
  principal_id       = local.principal_ids[each.value.principal]
  principal_type     = contains(keys(var.groups), each.value.principal) ? "Group" : "ServicePrincipal"
  description        = each.value.why
  role_definition_id = "/subscriptions/${var.subscription_id}/providers/Microsoft.Authorization/roleDefinitions/${each.value.role_id}"

  lifecycle {
    precondition {
      condition     = basename(data.azurerm_role_definition.built_in[each.value.role].role_definition_id) == each.value.role_id
      error_message = "${each.key}: the role's id is not ${each.value.role_id}; fix access.yml."
    }
  }
}

# "Azure Resource Manager sometimes caches configurations and data to improve performance. When you assign roles or
# remove role assignments, it can take up to 10 minutes for changes to take effect." (Troubleshoot Azure RBAC.) Most
# take less; what uses a role in the same apply waits this long, and an apply that is refused (403) can be repeated.
resource "time_sleep" "roles" {
  create_duration = "180s"
  triggers        = { assignments = sha256(join(",", keys(local.other_assignments))) }

  depends_on = [azurerm_role_assignment.main]
}

resource "azurerm_synapse_role_assignment" "administrator" {
  for_each = local.synapse_administrators

  synapse_workspace_id = azurerm_synapse_workspace.main.id
  role_name            = "Synapse SQL Administrator"
  principal_id         = local.principal_ids[each.key]
  principal_type       = contains(keys(var.groups), each.key) ? "Group" : "ServicePrincipal"

  # The workspace accepts assignments only from addresses that its firewall allows.
  depends_on = [
    azurerm_synapse_firewall_rule.allowed,
    azurerm_private_endpoint.main,
    azurerm_private_dns_zone_virtual_network_link.main,
  ]
}
