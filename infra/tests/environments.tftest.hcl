# Plans each kind of environment against mocked providers: every expression is evaluated and nothing is asked of Azure.
# Plans only, since what an apply makes is destroyed afterwards, which prevent_destroy refuses. make terraform-validate
# runs it; it needs the real providers for their schemas.

mock_provider "azurerm" {
  override_during = plan

  mock_data "azurerm_client_config" {
    defaults = { tenant_id = "00000000-0000-0000-0000-00000000000f" }
  }
  mock_resource "azurerm_key_vault" {
    defaults = { id = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/g/providers/Microsoft.KeyVault/vaults/v", vault_uri = "https://v.vault.azure.net/" }
  }
  mock_resource "azurerm_key_vault_secret" {
    defaults = { resource_versionless_id = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/g/providers/Microsoft.KeyVault/vaults/v/secrets/s" }
  }
  mock_resource "azurerm_resource_group" {
    defaults = { id = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/g" }
  }
  mock_resource "azurerm_storage_account" {
    defaults = {
      id                   = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/lake"
      primary_dfs_endpoint = "https://lake.dfs.core.windows.net/"
      primary_dfs_host     = "lake.dfs.core.windows.net"
    }
  }
  mock_resource "azurerm_data_factory" {
    defaults = { id = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/g/providers/Microsoft.DataFactory/factories/f", identity = { principal_id = "00000000-0000-0000-0000-0000000000a1", tenant_id = "00000000-0000-0000-0000-00000000000f" } }
  }
  mock_resource "azurerm_databricks_access_connector" {
    defaults = { id = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/g/providers/Microsoft.Databricks/accessConnectors/c", identity = { principal_id = "00000000-0000-0000-0000-0000000000a2", tenant_id = "00000000-0000-0000-0000-00000000000f" } }
  }
  mock_resource "azurerm_databricks_workspace" {
    defaults = { id = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/g/providers/Microsoft.Databricks/workspaces/w", workspace_url = "adb-1.1.azuredatabricks.net" }
  }
  mock_resource "azurerm_synapse_workspace" {
    defaults = {
      id                     = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/g/providers/Microsoft.Synapse/workspaces/s"
      identity               = { principal_id = "00000000-0000-0000-0000-0000000000a3", tenant_id = "00000000-0000-0000-0000-00000000000f" }
      connectivity_endpoints = { sqlOnDemand = "s-ondemand.sql.azuresynapse.net" }
    }
  }
  mock_resource "azurerm_log_analytics_workspace" {
    defaults = { id = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/g/providers/Microsoft.OperationalInsights/workspaces/l" }
  }
  mock_resource "azurerm_eventgrid_system_topic" {
    defaults = { id = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/g/providers/Microsoft.EventGrid/systemTopics/t", identity = { principal_id = "00000000-0000-0000-0000-0000000000a7", tenant_id = "00000000-0000-0000-0000-00000000000f" } }
  }
  mock_resource "azurerm_monitor_action_group" {
    defaults = { id = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/g/providers/Microsoft.Insights/actionGroups/a" }
  }
  mock_resource "azurerm_user_assigned_identity" {
    defaults = { id = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/i", principal_id = "00000000-0000-0000-0000-0000000000a4", client_id = "00000000-0000-0000-0000-0000000000a5" }
  }
  mock_resource "azurerm_role_definition" {
    defaults = { role_definition_resource_id = "/subscriptions/00000000-0000-0000-0000-000000000000/providers/Microsoft.Authorization/roleDefinitions/00000000-0000-0000-0000-0000000000a6" }
  }
  mock_resource "azurerm_virtual_network" {
    defaults = { id = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/n" }
  }
  mock_resource "azurerm_subnet" {
    defaults = { id = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/n/subnets/s" }
  }
  mock_resource "azurerm_network_security_group" {
    defaults = { id = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/g/providers/Microsoft.Network/networkSecurityGroups/s" }
  }
  mock_resource "azurerm_subnet_network_security_group_association" {
    defaults = { id = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/n/subnets/s" }
  }
  mock_resource "azurerm_nat_gateway" {
    defaults = { id = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/g/providers/Microsoft.Network/natGateways/n" }
  }
  mock_resource "azurerm_public_ip" {
    defaults = { id = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/g/providers/Microsoft.Network/publicIPAddresses/p" }
  }
  mock_resource "azurerm_private_dns_zone" {
    defaults = { id = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/g/providers/Microsoft.Network/privateDnsZones/z" }
  }

  # The GUIDs are Microsoft's; a plan stops if access.yml has another one.
  override_data {
    target = data.azurerm_role_definition.built_in["Key Vault Administrator"]
    values = { role_definition_id = "/providers/Microsoft.Authorization/roleDefinitions/00482a5a-887f-4fb3-b363-3b7fe8e74483" }
  }
  override_data {
    target = data.azurerm_role_definition.built_in["Key Vault Secrets User"]
    values = { role_definition_id = "/providers/Microsoft.Authorization/roleDefinitions/4633458b-17de-408a-b874-0445c86b69e6" }
  }
  override_data {
    target = data.azurerm_role_definition.built_in["Data Factory Contributor"]
    values = { role_definition_id = "/providers/Microsoft.Authorization/roleDefinitions/673868aa-7521-48a0-acc6-0f60742d39f5" }
  }
  override_data {
    target = data.azurerm_role_definition.built_in["Storage Blob Data Contributor"]
    values = { role_definition_id = "/providers/Microsoft.Authorization/roleDefinitions/ba92f5b4-2d11-453d-a403-e96b0029c9fe" }
  }
  override_data {
    target = data.azurerm_role_definition.built_in["Storage Blob Data Reader"]
    values = { role_definition_id = "/providers/Microsoft.Authorization/roleDefinitions/2a2b9908-6ea1-4ae2-8e65-a410df84e7d1" }
  }
  override_data {
    target = data.azurerm_role_definition.built_in["Storage Queue Data Message Sender"]
    values = { role_definition_id = "/providers/Microsoft.Authorization/roleDefinitions/c6a89b2d-59bc-44d0-9896-0f6e12d7b80a" }
  }
  override_data {
    target = data.azurerm_role_definition.built_in["Reader"]
    values = { role_definition_id = "/providers/Microsoft.Authorization/roleDefinitions/acdd72a7-3385-48ef-bd42-f606fba81ae7" }
  }
}

mock_provider "databricks" {
  override_during = plan
}

mock_provider "databricks" {
  alias           = "account"
  override_during = plan

  override_data {
    target = data.databricks_group.member["admins"]
    values = { id = "1", external_id = "00000000-0000-0000-0000-000000000001" }
  }
  override_data {
    target = data.databricks_group.member["engineers"]
    values = { id = "2", external_id = "00000000-0000-0000-0000-000000000002" }
  }
}

mock_provider "time" {
  override_during = plan
}

variables {
  subscription_id = "00000000-0000-0000-0000-000000000000"
  environment     = "dev"
  location        = "westeurope"
  suffix          = "contso"
  groups = {
    admins    = "00000000-0000-0000-0000-000000000001"
    engineers = "00000000-0000-0000-0000-000000000002"
    readers   = "00000000-0000-0000-0000-000000000003"
  }
  databricks_service_object_id = "00000000-0000-0000-0000-000000000004"
  databricks_account_id        = "00000000-0000-0000-0000-000000000005"
  allowed_ip_addresses         = { office = "203.0.113.10" }
  budget                       = { amount = 100, emails = ["data-platform@example.com"] }
  databricks_wheel             = ""
}

run "development_with_managed_identities" {
  command = plan

  assert {
    condition     = length(azurerm_private_endpoint.main) == 0 && length(azurerm_virtual_network.main) == 0
    error_message = "there is a network without private endpoints"
  }
  assert {
    condition     = azurerm_databricks_workspace.main.custom_parameters[0].virtual_network_id == null
    error_message = "the workspace is in a network that is not there"
  }
  assert {
    condition     = join(" ", sort(keys(output.managed_identities))) == "airflow serving"
    error_message = "Airflow and the publication need an identity each"
  }
  assert {
    condition     = jsondecode(databricks_cluster_policy.job.definition)["num_workers"].maxValue == 0
    error_message = "the default is more than one machine"
  }
  assert {
    condition     = length(azurerm_role_assignment.secret) == 2 && length(azurerm_role_assignment.main) == 16
    error_message = "the role assignments are not those of access.yml"
  }
  assert {
    condition     = endswith(one(azurerm_consumption_budget_subscription.main.time_period).start_date, "-01T00:00:00Z")
    error_message = "the budget does not start on the first of a month"
  }
  assert {
    condition     = length(databricks_permission_assignment.group) == 2
    error_message = "admins and engineers belong into the workspace of development"
  }
}

run "production_with_a_new_network" {
  command = plan

  variables {
    environment       = "prod"
    private_endpoints = true
    databricks        = { max_workers = 2 }
    airflow_service_principal = {
      object_id = "00000000-0000-0000-0000-000000000006"
      client_id = "00000000-0000-0000-0000-000000000007"
    }
  }

  assert {
    condition     = length(azurerm_private_endpoint.main) == 8 && length(azurerm_private_dns_zone.main) == 7
    error_message = "an endpoint or a zone is missing"
  }
  assert {
    condition     = alltrue([for endpoint in azurerm_private_endpoint.main : length(endpoint.private_dns_zone_group) == 1])
    error_message = "an endpoint writes no DNS record"
  }
  assert {
    condition     = one(azurerm_databricks_workspace.main.custom_parameters).public_subnet_name == "databricks-host"
    error_message = "the workspace is not in the network"
  }
  assert {
    condition     = length(output.managed_identities) == 0 && length(azurerm_management_lock.lake) == 1
    error_message = "production has a lock, and no managed identity next to a service principal"
  }
  assert {
    condition     = one(azurerm_storage_account_network_rules.lake).default_action == "Deny"
    error_message = "the lake's firewall is open"
  }
}

run "production_in_the_companys_network" {
  command = plan

  variables {
    environment       = "prod"
    private_endpoints = true
    databricks        = { instance_pool_id = "pool-1", unity_catalog = false }
    existing_network = {
      virtual_network_id             = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/hub/providers/Microsoft.Network/virtualNetworks/hub"
      endpoints_subnet_id            = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/hub/providers/Microsoft.Network/virtualNetworks/hub/subnets/endpoints"
      databricks_host_subnet_id      = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/hub/providers/Microsoft.Network/virtualNetworks/hub/subnets/host"
      databricks_container_subnet_id = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/hub/providers/Microsoft.Network/virtualNetworks/hub/subnets/container"
      private_dns_zone_ids = {
        "privatelink.blob.core.windows.net" = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/hub/providers/Microsoft.Network/privateDnsZones/privatelink.blob.core.windows.net"
      }
    }
  }

  assert {
    condition     = length(azurerm_virtual_network.main) + length(azurerm_subnet.main) + length(azurerm_private_dns_zone.main) == 0
    error_message = "a second network is made"
  }
  assert {
    condition     = one(azurerm_databricks_workspace.main.custom_parameters).private_subnet_name == "container"
    error_message = "the workspace is not in the given subnets"
  }
  assert {
    condition     = join(" ", [for name, endpoint in azurerm_private_endpoint.main : name if length(endpoint.private_dns_zone_group) == 1]) == "storage-blob"
    error_message = "a record goes into a zone that was not given"
  }
  assert {
    condition     = length(databricks_external_location.lake) == 0 && jsondecode(databricks_cluster_policy.job.definition)["instance_pool_id"].value == "pool-1"
    error_message = "no Unity Catalog, and the pool's machines only"
  }
}

run "a_network_without_private_endpoints_is_refused" {
  command = plan

  variables {
    existing_network = {
      virtual_network_id             = "/n"
      endpoints_subnet_id            = "/other/subnets/e"
      databricks_host_subnet_id      = "/n/subnets/h"
      databricks_container_subnet_id = "/n/subnets/c"
    }
  }

  expect_failures = [var.existing_network]
}

run "another_group_of_the_same_name_is_refused" {
  command = plan

  variables {
    groups = {
      admins    = "00000000-0000-0000-0000-000000000009"
      engineers = "00000000-0000-0000-0000-000000000002"
      readers   = "00000000-0000-0000-0000-000000000003"
    }
  }

  expect_failures = [data.databricks_group.member["admins"]]
}

run "the_job_and_the_pipeline" {
  command = plan

  variables {
    databricks_wheel = "/Workspace/midnight-wheels/midnight_lakehouse-0.1.0+g0123456789ab-py3-none-any.whl"
    source_database  = { server = "db.example.com", database = "shop", username = "midnight_reader" }
  }

  assert {
    condition     = one(one(databricks_job.main[0].job_cluster).new_cluster).num_workers == 0
    error_message = "the default job is more than one machine"
  }
  assert {
    condition     = contains(keys(azurerm_data_factory_pipeline.main), "midnight_copy")
    error_message = "the pipeline is missing"
  }
}

run "a_serverless_job" {
  command = plan

  variables {
    databricks_wheel = "/Workspace/midnight-wheels/midnight_lakehouse-0.1.0+g0123456789ab-py3-none-any.whl"
    databricks_job   = { compute = "serverless" }
  }

  assert {
    condition     = length(databricks_job.main[0].job_cluster) == 0 && length(databricks_job.main[0].environment) == 1
    error_message = "serverless has no cluster"
  }
}

run "no_receiver_no_alert" {
  command = plan

  assert {
    condition     = length(azurerm_monitor_scheduled_query_rules_alert_v2.main) + length(azurerm_monitor_metric_alert.main) + length(azurerm_monitor_action_group.main) == 0
    error_message = "alerts exist without a receiver"
  }
}

run "all_alerts" {
  command = plan

  variables {
    alerts = {
      emails                  = ["data-platform@example.com"]
      publication_max_hours   = 31
      synapse_weekly_limit_tb = 5
    }
    alert_webhooks  = { on-call = "https://example.com/hook" }
    source_database = { server = "db.example.com", database = "shop", username = "midnight_reader" }
  }

  assert {
    condition     = join(" ", sort(keys(azurerm_monitor_scheduled_query_rules_alert_v2.main))) == "not-published secret-expires"
    error_message = "an alert on logs is missing"
  }
  assert {
    condition     = join(" ", sort(keys(azurerm_monitor_metric_alert.main))) == "copy-failed runtime-offline synapse-limit"
    error_message = "an alert on metrics is missing"
  }
  assert {
    condition     = one(azurerm_monitor_metric_alert.main["synapse-limit"].criteria).threshold == 571428571428
    error_message = "80 % of a seventh of 5 TB"
  }
}
