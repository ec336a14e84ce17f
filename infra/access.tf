# The Azure part of the access matrix. role_assignments.auto.tfvars.json is made from access.yml.

variable "role_assignments" {
  description = "Environment -> readable key -> assignment. Made from access.yml; do not write it by hand."
  type = map(map(object({
    principal = string
    role      = string
    role_id   = optional(string)
    scope     = string
    why       = string
  })))
}

variable "custom_roles" {
  description = "Roles that Azure does not have. Made from access.yml."
  type = map(object({
    description = string
    actions     = list(string)
  }))
}

variable "synapse_administrators" {
  description = "Environment -> principals that administer Synapse SQL. Made from access.yml."
  type        = map(list(string))
}

variable "cluster_policy_users" {
  description = "Environment -> principals that may use the job cluster policy. Made from access.yml."
  type        = map(list(string))
}

locals {
  assignments = var.role_assignments[var.environment]

  principal_ids = merge(var.groups, {
    airflow    = local.airflow_object_id
    adf        = azurerm_data_factory.main.identity[0].principal_id
    databricks = azurerm_databricks_access_connector.main.identity[0].principal_id
    synapse    = azurerm_synapse_workspace.main.identity[0].principal_id

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

    # One secret: a scope shows every secret that its reader may read.
    "key_vault/masking_key" = "${azurerm_key_vault.main.id}/secrets/airflow-variables-midnight-masking-key"
  }
}

# What Azure itself says of each built-in role, to compare the GUIDs with.
data "azurerm_role_definition" "built_in" {
  for_each = toset([for assignment in local.assignments : assignment.role if assignment.role_id != null])

  name  = each.key
  scope = "/subscriptions/${var.subscription_id}"
}

resource "azurerm_role_definition" "custom" {
  for_each = var.custom_roles

  name              = "${each.key} (${var.environment} ${var.suffix})" # unique in the tenant
  scope             = azurerm_resource_group.main.id
  assignable_scopes = [azurerm_resource_group.main.id]
  description       = each.value.description

  permissions {
    actions = each.value.actions
  }
}

resource "azurerm_role_assignment" "main" {
  for_each = local.assignments

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
      error_message = "${each.key}: the role's id is not ${coalesce(each.value.role_id, "none")}; correct access.yml."
    }
  }
}

resource "azurerm_synapse_role_assignment" "administrator" {
  for_each = toset(var.synapse_administrators[var.environment])

  synapse_workspace_id = azurerm_synapse_workspace.main.id
  role_name            = "Synapse SQL Administrator"
  principal_id         = local.principal_ids[each.key]
  principal_type       = contains(keys(var.groups), each.key) ? "Group" : "ServicePrincipal"

  # The workspace takes assignments only from addresses that its firewall lets in.
  depends_on = [azurerm_synapse_firewall_rule.allowed, azurerm_private_endpoint.main]
}
